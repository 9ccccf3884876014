"""Focal loss (Lin et al., ICCV 2017), with the modulating factor held constant in the gradient."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_gamma, focal_weight
from anl_seg.functional._precision import without_autocast


@without_autocast
def focal_loss(
    logits: Tensor, target: Tensor, *, gamma: float = 2.0, ignore_index: int = 255
) -> Tensor:
    """``-(1 - p_y)^gamma log p_y`` per pixel over the softmax of all classes.

    The factor (1 - p_y)^gamma weights the pixel and is not differentiated, as in the code of the
    normalised and active negative losses that build on it; gamma = 0 is cross entropy.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        gamma: focusing exponent, 0 or more.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, inf), 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or gamma below 0.
    """
    check_gamma(gamma)
    px = Pixels(logits, target, ignore_index)
    log_p = px.label_log_prob()
    return px.masked(-focal_weight(log_p, gamma) * log_p)
