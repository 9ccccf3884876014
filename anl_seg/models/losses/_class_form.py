"""From a built loss to its form for every class."""

from __future__ import annotations

from functools import partial

from anl_seg.functional.class_forms import CLASS_FORMS, POINTWISE, ClassForm
from anl_seg.models.losses._build import build_part
from anl_seg.models.losses.asymmetric_exponential_loss import AELLoss
from anl_seg.models.losses.asymmetric_generalized_cross_entropy import AGCELoss
from anl_seg.models.losses.asymmetric_norm_loss import ANormLoss
from anl_seg.models.losses.asymmetric_unhinged_loss import AUELoss
from anl_seg.models.losses.cross_entropy import CELoss
from anl_seg.models.losses.focal_loss import FocalLoss
from anl_seg.models.losses.generalized_cross_entropy import GCELoss
from anl_seg.models.losses.mean_absolute_error import MAELoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.reverse_cross_entropy import RCELoss
from anl_seg.models.losses.symmetric_cross_entropy import SCELoss

#: Module -> name of its per-pixel function and class form, which take its ``parameter_names``.
_NAMES: dict[type[PixelLoss], str] = {
    AELLoss: "asymmetric_exponential_loss",
    AGCELoss: "asymmetric_generalized_cross_entropy",
    ANormLoss: "asymmetric_norm_loss",
    AUELoss: "asymmetric_unhinged_loss",
    CELoss: "cross_entropy",
    FocalLoss: "focal_loss",
    GCELoss: "generalized_cross_entropy",
    MAELoss: "mean_absolute_error",
    RCELoss: "reverse_cross_entropy",
    SCELoss: "symmetric_cross_entropy",
}


def build_base(cfg: dict | PixelLoss, pointwise: bool) -> tuple[PixelLoss, ClassForm]:
    """Build the base of a construction, and its form for every class.

    Args:
        cfg: config with ``type`` (scope ``anl_seg`` may be left out), or a loss.
        pointwise: whether the loss of class k must depend on p_k alone.

    Raises:
        ValueError: a loss without such a form (those that have one are listed), or with a
            ``loss_weight``, a reduction or class weights of its own.
    """
    base = build_part(cfg, "base")
    forms = POINTWISE if pointwise else CLASS_FORMS
    name = _NAMES.get(type(base))
    if name not in forms:
        known = sorted(cls.__name__ for cls, form in _NAMES.items() if form in forms)
        kind = "in which class k depends on p_k alone" if pointwise else "per class"
        raise ValueError(
            f"base: {type(base).__name__} has no form {kind}; those that have one: {', '.join(known)}."
        )
    if base.loss_weight != 1.0:
        raise ValueError(
            f"base: loss_weight={base.loss_weight} would cancel in the normalisation; "
            "give it to the whole loss."
        )
    params = {key: getattr(base, key) for key in base.parameter_names}
    return base, partial(forms[name], **params)
