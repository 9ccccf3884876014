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
from anl_seg.functional.asymmetric_exponential_loss import asymmetric_exponential_loss
from anl_seg.functional.asymmetric_generalized_cross_entropy import (
    asymmetric_generalized_cross_entropy,
)
from anl_seg.functional.asymmetric_norm_loss import asymmetric_norm_loss
from anl_seg.functional.asymmetric_unhinged_loss import asymmetric_unhinged_loss
from anl_seg.functional.backward_correction import backward_correction, invert_transition_matrix
from anl_seg.functional.bootstrap_loss import bootstrap_loss
from anl_seg.functional.clip_logits import clip_logits
from anl_seg.functional.cross_entropy import cross_entropy
from anl_seg.functional.entropy_regularization import entropy_regularization
from anl_seg.functional.focal_loss import focal_loss
from anl_seg.functional.forward_correction import forward_correction
from anl_seg.functional.generalized_cross_entropy import generalized_cross_entropy
from anl_seg.functional.generalized_jensen_shannon import generalized_jensen_shannon
from anl_seg.functional.label_smoothing_cross_entropy import label_smoothing_cross_entropy
from anl_seg.functional.mass_balance import mass_balance
from anl_seg.functional.mean_absolute_error import mean_absolute_error
from anl_seg.functional.negative_learning import negative_learning
from anl_seg.functional.noise_robust_dice import noise_robust_dice
from anl_seg.functional.normalized_cross_entropy import normalized_cross_entropy
from anl_seg.functional.normalized_focal_loss import normalized_focal_loss
from anl_seg.functional.normalized_generalized_cross_entropy import (
    normalized_generalized_cross_entropy,
)
from anl_seg.functional.normalized_loss import normalized_loss
from anl_seg.functional.normalized_negative_cross_entropy import normalized_negative_cross_entropy
from anl_seg.functional.normalized_negative_focal_loss import normalized_negative_focal_loss
from anl_seg.functional.normalized_negative_loss import normalized_negative_loss
from anl_seg.functional.normalized_reverse_cross_entropy import normalized_reverse_cross_entropy
from anl_seg.functional.peer_loss import peer_loss
from anl_seg.functional.reverse_cross_entropy import reverse_cross_entropy
from anl_seg.functional.symmetric_cross_entropy import symmetric_cross_entropy
from anl_seg.functional.t_loss import multiclass_t_loss, t_loss

__all__ = [
    "active_negative_cross_entropy",
    "active_negative_focal_loss",
    "active_negative_loss",
    "active_passive_loss",
    "asymmetric_exponential_loss",
    "asymmetric_generalized_cross_entropy",
    "asymmetric_norm_loss",
    "asymmetric_unhinged_loss",
    "backward_correction",
    "bootstrap_loss",
    "clip_logits",
    "cross_entropy",
    "entropy_regularization",
    "focal_loss",
    "forward_correction",
    "generalized_cross_entropy",
    "generalized_jensen_shannon",
    "invert_transition_matrix",
    "label_smoothing_cross_entropy",
    "mass_balance",
    "mean_absolute_error",
    "multiclass_t_loss",
    "negative_learning",
    "noise_robust_dice",
    "normalized_cross_entropy",
    "normalized_focal_loss",
    "normalized_generalized_cross_entropy",
    "normalized_loss",
    "normalized_negative_cross_entropy",
    "normalized_negative_focal_loss",
    "normalized_negative_loss",
    "normalized_reverse_cross_entropy",
    "peer_loss",
    "reverse_cross_entropy",
    "symmetric_cross_entropy",
    "t_loss",
]
