"""Losses of every class as if it were the label: log p (N, C, *) -> (N, C, *).

What the constructions :func:`normalized_loss` and :func:`normalized_negative_loss` are applied to. A
form has the name and the parameters of its per-pixel loss, in whose file it stands, and equals that loss
for each label. Bind parameters with ``functools.partial``. The forms check nothing; the per-pixel losses
do.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from anl_seg.functional._per_pixel import ClassForm as ClassForm
from anl_seg.functional.asymmetric_exponential_loss import (
    asymmetric_exponential_loss as _asymmetric_exponential_loss,
)
from anl_seg.functional.asymmetric_generalized_cross_entropy import (
    asymmetric_generalized_cross_entropy as _asymmetric_generalized_cross_entropy,
)
from anl_seg.functional.asymmetric_norm_loss import class_form as asymmetric_norm_loss
from anl_seg.functional.asymmetric_unhinged_loss import (
    asymmetric_unhinged_loss as _asymmetric_unhinged_loss,
)
from anl_seg.functional.cross_entropy import cross_entropy as _cross_entropy
from anl_seg.functional.focal_loss import focal_loss as _focal_loss
from anl_seg.functional.generalized_cross_entropy import (
    generalized_cross_entropy as _generalized_cross_entropy,
)
from anl_seg.functional.mean_absolute_error import mean_absolute_error as _mean_absolute_error
from anl_seg.functional.reverse_cross_entropy import class_form as reverse_cross_entropy
from anl_seg.functional.symmetric_cross_entropy import class_form as symmetric_cross_entropy

cross_entropy = _cross_entropy.form
focal_loss = _focal_loss.form
mean_absolute_error = _mean_absolute_error.form
generalized_cross_entropy = _generalized_cross_entropy.form
asymmetric_generalized_cross_entropy = _asymmetric_generalized_cross_entropy.form
asymmetric_unhinged_loss = _asymmetric_unhinged_loss.form
asymmetric_exponential_loss = _asymmetric_exponential_loss.form

#: Forms in which the loss of class k depends on p_k alone: what the flip of the negative losses needs.
POINTWISE: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal_loss": focal_loss,
    "mean_absolute_error": mean_absolute_error,
    "generalized_cross_entropy": generalized_cross_entropy,
    "asymmetric_generalized_cross_entropy": asymmetric_generalized_cross_entropy,
    "asymmetric_unhinged_loss": asymmetric_unhinged_loss,
    "asymmetric_exponential_loss": asymmetric_exponential_loss,
}
#: All forms, by the name of their per-pixel loss.
CLASS_FORMS: dict[str, Callable[..., Tensor]] = {
    **POINTWISE,
    "reverse_cross_entropy": reverse_cross_entropy,
    "symmetric_cross_entropy": symmetric_cross_entropy,
    "asymmetric_norm_loss": asymmetric_norm_loss,
}
