"""Symmetric cross entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.cross_entropy import cross_entropy
from anl_seg.functional.reverse_cross_entropy import class_form as rce_form
from anl_seg.functional.reverse_cross_entropy import reverse_cross_entropy


@per_pixel()
def symmetric_cross_entropy(px: Pixels, *, alpha: float = 0.1, beta: float = 1.0) -> Tensor:
    """``alpha`` cross entropy + ``beta`` reverse cross entropy, per pixel.

    The authors use (0.1, 1) on CIFAR-10 and (6, 0.1) on CIFAR-100.

    Args:
        alpha: weight of cross entropy.
        beta: weight of reverse cross entropy.
    """
    return alpha * cross_entropy.of(px) + beta * reverse_cross_entropy.of(px)


def class_form(log_p: Tensor, *, alpha: float = 0.1, beta: float = 1.0) -> Tensor:
    """The loss of each class as the label, (N, C, *) -> (N, C, *)."""
    return alpha * cross_entropy.form(log_p) + beta * rce_form(log_p)
