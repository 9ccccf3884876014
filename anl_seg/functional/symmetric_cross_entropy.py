"""Symmetric cross entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._precision import without_autocast
from anl_seg.functional.cross_entropy import cross_entropy
from anl_seg.functional.reverse_cross_entropy import reverse_cross_entropy


@without_autocast
def symmetric_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.1,
    beta: float = 1.0,
    ignore_index: int = 255,
) -> Tensor:
    """``alpha`` cross entropy + ``beta`` reverse cross entropy, per pixel.

    The authors use (0.1, 1) on CIFAR-10 and (6, 0.1) on CIFAR-100.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        alpha: weight of cross entropy.
        beta: weight of reverse cross entropy.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, or shapes that do not fit.
    """
    return alpha * cross_entropy(
        logits, target, ignore_index=ignore_index
    ) + beta * reverse_cross_entropy(logits, target, ignore_index=ignore_index)
