"""Active negative loss (Ye et al., NeurIPS 2023 and arXiv 2412.02373) and its two instances."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from anl_seg.functional._precision import without_autocast
from anl_seg.functional.active_passive_loss import PartFunction, active_passive_loss
from anl_seg.functional.normalized_cross_entropy import normalized_cross_entropy
from anl_seg.functional.normalized_focal_loss import normalized_focal_loss
from anl_seg.functional.normalized_negative_cross_entropy import normalized_negative_cross_entropy
from anl_seg.functional.normalized_negative_focal_loss import normalized_negative_focal_loss


@without_autocast
def active_negative_loss(
    logits: Tensor,
    target: Tensor,
    *,
    active: PartFunction,
    negative: PartFunction,
    alpha: float = 5.0,
    beta: float = 5.0,
    ignore_index: int = 255,
) -> Tensor:
    """``alpha`` active + ``beta`` negative, per pixel (Ye et al. 2023, eq. 13 without the L1 term).

    A normalized negative loss takes the place of the passive one. The L1 term of the paper belongs to
    the parameters and is added by ``anl_seg.L1OptimWrapper``.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        active: per-pixel loss, for example :func:`normalized_cross_entropy`.
        negative: per-pixel loss, for example :func:`normalized_negative_cross_entropy`.
        alpha: weight of the active loss.
        beta: weight of the negative loss.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 where ignored.
    """
    return active_passive_loss(
        logits,
        target,
        active=active,
        passive=negative,
        alpha=alpha,
        beta=beta,
        ignore_index=ignore_index,
    )


@without_autocast
def active_negative_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 5.0,
    beta: float = 5.0,
    min_prob: float = 1e-7,
    ignore_index: int = 255,
) -> Tensor:
    """ANL-CE: ``alpha`` :func:`normalized_cross_entropy` + ``beta``
    :func:`normalized_negative_cross_entropy`, per pixel; arguments as there.

    The paper's (alpha, beta): CIFAR-10 (5, 5), CIFAR-100 (10, 1), WebVision (20, 1).
    """
    return active_negative_loss(
        logits,
        target,
        active=normalized_cross_entropy,
        negative=partial(normalized_negative_cross_entropy, min_prob=min_prob),
        alpha=alpha,
        beta=beta,
        ignore_index=ignore_index,
    )


@without_autocast
def active_negative_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 5.0,
    beta: float = 5.0,
    gamma: float = 0.5,
    min_prob: float = 1e-7,
    ignore_index: int = 255,
) -> Tensor:
    """ANL-FL: ``alpha`` :func:`normalized_focal_loss` + ``beta``
    :func:`normalized_negative_focal_loss` with the same gamma, per pixel; arguments as there.
    """
    return active_negative_loss(
        logits,
        target,
        active=partial(normalized_focal_loss, gamma=gamma),
        negative=partial(normalized_negative_focal_loss, gamma=gamma, min_prob=min_prob),
        alpha=alpha,
        beta=beta,
        ignore_index=ignore_index,
    )
