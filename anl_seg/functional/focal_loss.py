"""Focal loss (Lin et al., ICCV 2017), with the modulating factor held constant in the gradient."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import NOT_NEGATIVE, pointwise
from anl_seg.functional._pixels import focal_weight


@pointwise(gamma=NOT_NEGATIVE)
def focal_loss(log_p: Tensor, *, gamma: float = 2.0) -> Tensor:
    """``-(1 - p_y)^gamma log p_y`` per pixel over the softmax of all classes, in [0, inf).

    The factor (1 - p_y)^gamma weights the pixel and is not differentiated, as in the code of the
    normalized and active negative losses that build on it; gamma = 0 is cross entropy.

    Args:
        gamma: focusing exponent, 0 or more.
    """
    return -focal_weight(log_p, gamma) * log_p
