"""Building the parts of a combined loss."""

from __future__ import annotations

from collections.abc import Mapping

from anl_seg.models.losses._arguments import check_arguments
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


def build_loss(cfg: Mapping, role: str) -> PixelLoss:
    """Build a loss of this package from its config, in which the scope ``anl_seg`` may be left out.

    Args:
        role: what the loss is for, for the error text.

    Raises:
        TypeError: an argument that the loss does not know, or of the wrong kind.
        ValueError: no config with a ``type``, or not that of a loss of this package.
    """
    if not isinstance(cfg, Mapping) or "type" not in cfg:
        raise ValueError(f"{role} must be a loss config with a 'type'; got {cfg!r}.")
    arguments = dict(cfg)
    kind = arguments.pop("type")
    if isinstance(kind, str):
        kind = MODELS.get(kind.removeprefix("anl_seg."))
    if isinstance(kind, type) and issubclass(kind, PixelLoss):
        check_arguments(kind, arguments)
    loss = MODELS.build({**arguments, "type": kind})
    if not isinstance(loss, PixelLoss):
        raise ValueError(f"{role} must be a per-pixel loss of anl_seg; got {type(loss).__name__}.")
    return loss


def build_part(cfg: dict | PixelLoss, role: str) -> PixelLoss:
    """Build one part of a combined loss from its config.

    Args:
        cfg: config with ``type`` (scope ``anl_seg`` may be left out), or a loss.
        role: name of the part, for the error text.

    Raises:
        ValueError: not a per-pixel loss of this package, or a part with a reduction, class weights,
            clipped logits, balanced pixels or a batch term of its own, which belong to the combined loss.
    """
    part = cfg if isinstance(cfg, PixelLoss) else build_loss(cfg, role)
    if part.reduction != "mean" or part.class_weight is not None:
        raise ValueError(
            f"{role}: reduction and class_weight belong to the combined loss, not to its parts."
        )
    for option in ("logit_clip", "mass_balance", "entropy_weight"):
        if getattr(part, option, None):
            raise ValueError(f"{role}: {option} belongs to the combined loss, not to its parts.")
    return part
