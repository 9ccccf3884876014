"""Mean absolute error (Ghosh et al., AAAI 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import pointwise


@pointwise()
def mean_absolute_error(log_p: Tensor) -> Tensor:
    """``1 - p_y`` per pixel, in [0, 1]: half the L1 distance of the prediction to the one-hot label.

    Symmetric (the sum over all labels is C - 1), so tolerant of symmetric noise. Some papers use
    twice this value.
    """
    return -torch.expm1(log_p)
