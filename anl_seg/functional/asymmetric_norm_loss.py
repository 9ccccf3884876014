"""Asymmetric norm loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import class_forms
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


def check_parameters(a: float, p: float) -> None:
    """Raise ValueError unless a > 1 and p > 0."""
    if not a > 1.0:
        raise ValueError(f"a must be above 1; got {a}.")
    if not p > 0.0:
        raise ValueError(f"p must be above 0; got {p}.")


@without_autocast
def asymmetric_norm_loss(
    logits: Tensor, target: Tensor, *, a: float = 1.5, p: float = 0.9, ignore_index: int = 255
) -> Tensor:
    """``((a - p_y)^p + sum_{k != y} p_k^p - (a - 1)^p) / p`` per pixel.

    Asymmetric for p <= 1: the minimiser under noise is that of clean data where the true label is the
    most frequent one.

    The distance of the prediction to a times the one-hot label, in the p-norm to the power of p.
    Probabilities are clamped at 1e-5, as in the authors' code: a class below passes no gradient. p = 1
    is twice the mean absolute error.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        a: above 1, the length of the label.
        p: above 0, the exponent of the norm.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 or more, 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_parameters(a, p)
    px = Pixels(logits, target, ignore_index)
    losses = class_forms.asymmetric_norm_loss(px.log_probs(), a=a, p=p)
    return px.masked(px.of_label(losses))
