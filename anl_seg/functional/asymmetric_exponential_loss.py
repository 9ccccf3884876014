"""Asymmetric exponential loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import class_forms
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


def check_parameters(a: float) -> None:
    """Raise ValueError unless a > 0."""
    if not a > 0.0:
        raise ValueError(f"a must be above 0; got {a}.")


@without_autocast
def asymmetric_exponential_loss(
    logits: Tensor, target: Tensor, *, a: float = 3.0, ignore_index: int = 255
) -> Tensor:
    """``exp(-p_y / a)`` per pixel.

    Asymmetric: the minimiser under noise is that of clean data where the true label is the most
    frequent one by a factor of at least exp(1 / a).

    Nearly linear, 1 - p_y / a, for a large a. A perfect prediction costs exp(-1 / a), not 0.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        a: above 0.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [exp(-1 / a), 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_parameters(a)
    px = Pixels(logits, target, ignore_index)
    return px.masked(class_forms.asymmetric_exponential_loss(px.label_log_prob(), a=a))
