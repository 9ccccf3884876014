"""Asymmetric unhinged loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import class_forms
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


def check_parameters(a: float, q: float) -> None:
    """Raise ValueError unless a > 1 and q > 0."""
    if not a > 1.0:
        raise ValueError(f"a must be above 1; got {a}.")
    if not q > 0.0:
        raise ValueError(f"q must be above 0; got {q}.")


@without_autocast
def asymmetric_unhinged_loss(
    logits: Tensor, target: Tensor, *, a: float = 1.5, q: float = 0.9, ignore_index: int = 255
) -> Tensor:
    """``((a - p_y)^q - (a - 1)^q) / q`` per pixel; q = 1 is the mean absolute error.

    Called AUL in the paper, AUE in its code. Asymmetric: the minimiser under noise is that of clean
    data where the true label is the most frequent one, by a factor of at least (a / (a - 1))^(q - 1)
    if q > 1.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        a: above 1; at 1 the slope at p_y = 1 has no bound for q < 1.
        q: above 0; below 1 the gradient grows with p_y, above 1 it falls.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, (a^q - (a - 1)^q) / q], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_parameters(a, q)
    px = Pixels(logits, target, ignore_index)
    return px.masked(class_forms.asymmetric_unhinged_loss(px.label_log_prob(), a=a, q=q))
