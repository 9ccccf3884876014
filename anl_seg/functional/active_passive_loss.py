"""Active passive loss (Ma et al., ICML 2020)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from anl_seg.functional._pixels import check_logits
from anl_seg.functional._precision import full_precision, without_autocast


class PartFunction(Protocol):
    """A per-pixel loss: logits (N, C, *), labels (N, *) -> loss (N, *)."""

    def __call__(self, logits: Tensor, target: Tensor, *, ignore_index: int) -> Tensor: ...


@without_autocast
def active_passive_loss(
    logits: Tensor,
    target: Tensor,
    *,
    active: PartFunction,
    passive: PartFunction,
    alpha: float = 1.0,
    beta: float = 1.0,
    ignore_index: int = 255,
) -> Tensor:
    """``alpha`` active + ``beta`` passive, per pixel.

    An active loss asks p_y to grow; a passive one asks the other classes to shrink. The sum of two
    symmetric losses is symmetric. Bind parameters with ``functools.partial``.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        active: per-pixel loss, for example :func:`normalized_cross_entropy`.
        passive: per-pixel loss, for example :func:`reverse_cross_entropy`.
        alpha: weight of the active loss.
        beta: weight of the passive loss.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 where ignored.
    """
    check_logits(logits)
    logits = full_precision(logits)  # the parts may be functions that take it as it comes
    return alpha * active(logits, target, ignore_index=ignore_index) + beta * passive(
        logits, target, ignore_index=ignore_index
    )
