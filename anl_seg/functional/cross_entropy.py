"""Cross entropy."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import pointwise


@pointwise()
def cross_entropy(log_p: Tensor) -> Tensor:
    """``-log p_y`` per pixel, in [0, inf). Not noise tolerant: the sum over all labels is unbounded."""
    return -log_p
