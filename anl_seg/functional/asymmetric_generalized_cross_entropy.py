"""Asymmetric generalised cross entropy (Zhou et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import class_forms
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


def check_parameters(a: float, q: float) -> None:
    """Raise ValueError unless a > 0 and q > 0."""
    if not a > 0.0:
        raise ValueError(f"a must be above 0; got {a}.")
    if not q > 0.0:
        raise ValueError(f"q must be above 0; got {q}.")


@without_autocast
def asymmetric_generalized_cross_entropy(
    logits: Tensor, target: Tensor, *, a: float = 1.0, q: float = 2.0, ignore_index: int = 255
) -> Tensor:
    """``((a + 1)^q - (a + p_y)^q) / q`` per pixel.

    Asymmetric: the minimiser under noise is that of clean data where the true label is the most
    frequent one, by a factor of at least ((a + 1) / a)^(1 - q) if q < 1. a -> 0 is generalised cross
    entropy.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        a: above 0; the larger, the nearer the loss is to a linear one.
        q: above 0; above 1 the gradient grows with p_y, below 1 it falls.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, ((a + 1)^q - a^q) / q], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_parameters(a, q)
    px = Pixels(logits, target, ignore_index)
    return px.masked(
        class_forms.asymmetric_generalized_cross_entropy(px.label_log_prob(), a=a, q=q)
    )
