"""A loss divided by its sum over all labels (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import ClassForm, per_pixel
from anl_seg.functional._pixels import Pixels


@per_pixel()
def normalized_loss(px: Pixels, *, base: ClassForm) -> Tensor:
    """``L_y / sum_k L_k`` per pixel, in [0, 1], L_k the base loss with label k (Ma et al. 2020, eq. 2).

    Its sum over all labels is 1, so it is symmetric whatever the base. Cross entropy gives
    :func:`normalized_cross_entropy`, focal loss :func:`normalized_focal_loss`.

    Args:
        base: loss of every class as the label, log p (N, C, *) -> (N, C, *), 0 or more; for example
            ``partial(anl_seg.functional.class_forms.generalized_cross_entropy, q=0.4)``.
    """
    return normalized(px, base)


def normalized(px: Pixels, base: ClassForm) -> Tensor:
    """L_y / sum_k L_k, (N, *)."""
    losses = base(px.finite_log_probs())
    return px.of_label(losses) / losses.sum(dim=1)
