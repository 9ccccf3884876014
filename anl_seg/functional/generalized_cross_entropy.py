"""Generalised cross entropy (Zhang & Sabuncu, NeurIPS 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast

#: Lower clamp of p_y in the published code: the loss is flat, its gradient zero, below it.
PROB_CLAMP = 1e-7


def check_q(q: float) -> None:
    """Raise ValueError unless 0 < q <= 1."""
    if not 0.0 < q <= 1.0:
        raise ValueError(f"q must lie in (0, 1]; got {q}.")


@without_autocast
def generalized_cross_entropy(
    logits: Tensor, target: Tensor, *, q: float = 0.7, ignore_index: int = 255
) -> Tensor:
    """``(1 - p_y^q) / q`` per pixel: cross entropy as q -> 0, mean absolute error at q = 1.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        q: in (0, 1]; the larger, the more tolerant and the slower to learn.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1 / q], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or q outside (0, 1].
    """
    check_q(q)
    px = Pixels(logits, target, ignore_index)
    log_p = px.label_log_prob().clamp(min=math.log(PROB_CLAMP))
    return px.masked(-torch.expm1(q * log_p) / q)
