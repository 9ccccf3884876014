"""A loss divided by its sum over all labels (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast
from anl_seg.functional.class_forms import ClassForm


@without_autocast
def normalized_loss(
    logits: Tensor, target: Tensor, *, base: ClassForm, ignore_index: int = 255
) -> Tensor:
    """``L_y / sum_k L_k`` per pixel, L_k the base loss with label k (Ma et al. 2020, eq. 2).

    Its sum over all labels is 1, so it is symmetric whatever the base. Cross entropy gives
    :func:`normalized_cross_entropy`, focal loss :func:`normalized_focal_loss`.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        base: loss of every class as the label, log p (N, C, *) -> (N, C, *), 0 or more; for example
            ``partial(anl_seg.functional.class_forms.generalized_cross_entropy, q=0.4)``.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, or shapes that do not fit.
    """
    px = Pixels(logits, target, ignore_index)
    losses = base(px.finite_log_probs())
    return px.masked(px.of_label(losses) / losses.sum(dim=1))
