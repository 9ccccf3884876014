"""Per-pixel losses in plain torch: logits (N, C, *), labels (N, *) -> loss (N, *), unreduced.

Nothing here imports mmseg or mmengine. Half precision is computed in float32, float64 stays, one
channel is a binary head, ignored pixels get 0, no one-hot tensor is made.
"""

from anl_seg.functional.active_negative_loss import (
    active_negative_cross_entropy,
    active_negative_focal_loss,
    active_negative_loss,
)
from anl_seg.functional.active_passive_loss import active_passive_loss
from anl_seg.functional.cross_entropy import cross_entropy
from anl_seg.functional.entropy_regularization import entropy_regularization
from anl_seg.functional.focal_loss import focal_loss
from anl_seg.functional.generalized_cross_entropy import generalized_cross_entropy
from anl_seg.functional.mean_absolute_error import mean_absolute_error
from anl_seg.functional.normalized_cross_entropy import normalized_cross_entropy
from anl_seg.functional.normalized_focal_loss import normalized_focal_loss
from anl_seg.functional.normalized_negative_cross_entropy import normalized_negative_cross_entropy
from anl_seg.functional.normalized_negative_focal_loss import normalized_negative_focal_loss
from anl_seg.functional.reverse_cross_entropy import reverse_cross_entropy
from anl_seg.functional.symmetric_cross_entropy import symmetric_cross_entropy

__all__ = [
    "active_negative_cross_entropy",
    "active_negative_focal_loss",
    "active_negative_loss",
    "active_passive_loss",
    "cross_entropy",
    "entropy_regularization",
    "focal_loss",
    "generalized_cross_entropy",
    "mean_absolute_error",
    "normalized_cross_entropy",
    "normalized_focal_loss",
    "normalized_negative_cross_entropy",
    "normalized_negative_focal_loss",
    "reverse_cross_entropy",
    "symmetric_cross_entropy",
]
