"""Cross entropy and Dice that start the classes and fade, before any loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.models.losses._build import build_loss
from anl_seg.models.losses.active_negative_loss import RECOMMENDED_DICE_WEIGHT
from anl_seg.models.losses.combined_loss import CombinedLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class WarmStartLoss(CombinedLoss):
    """(1 - s) times any loss here + s times cross entropy and Dice, which fade; s = ``ce_share``.

    Beside s times the cross entropy is s times ``dice_weight`` times the noise-robust Dice loss. What
    :class:`ActiveNegativeLoss` has built in, for its rivals. ``LossScheduleHook`` lets s fall from 1 to 0:
    ``_base_`` config ``configs/_base_/anl_schedule.py``, or ``tools/train.py --anl-schedule``::

        loss_decode=dict(type='anl_seg.WarmStartLoss', loss=dict(type='MulticlassTLoss'))

    In all else it is its loss: weighted, balanced, clipped, reduced and named as that is. Dice, and a term
    of the batch that the loss has, are of the whole batch: they are added to the mean, and left out with
    reduction ``none`` (OHEM's call); the latter does not fade.

    Args:
        loss: config of the loss.
        ce_share: s, in [0, 1].
        dice_weight: weight of :class:`NoiseRobustDiceLoss` beside the cross entropy, 0 or more.
        kwargs: further arguments of the loss (``loss_weight``, ``loss_name``, ``class_weight``, ...), so that
            tools may set them here.

    Raises:
        ValueError: not a loss of this package, one with a warm start of its own, or an argument that is
            given twice.
    """

    parameter_names = ("ce_share", "dice_weight")
    sum_of = (("_whole", "loss"),)
    _whole = 1.0

    def __init__(
        self,
        loss: dict | PixelLoss,
        ce_share: float = 0.0,
        dice_weight: float = RECOMMENDED_DICE_WEIGHT,
        **kwargs: Any,
    ) -> None:
        whole = loss if isinstance(loss, PixelLoss) and not kwargs else _built(loss, kwargs)
        super().__init__(
            reduction=whole.reduction,
            loss_weight=whole.loss_weight,
            loss_name=whole.loss_name,
            use_sigmoid=whole.use_sigmoid,
            logit_clip=whole.logit_clip,
            mass_balance=whole.mass_balance,
            kernels=whole.kernels,
        )
        if isinstance(whole, CombinedLoss):
            if whole.ce_share:
                raise ValueError(
                    f"loss: {type(whole).__name__} has a warm start of its own, "
                    f"ce_share={whole.ce_share}; take one away."
                )
            whole.dice_weight = 0.0  # it stands here, and would be said to have no effect
        self.set_warm_start(ce_share, dice_weight)
        whole.loss_weight = 1.0  # it stands here
        self.class_weight = whole.class_weight
        self.loss = whole

    def _pixel_weight(self, px: Pixels, weight: Tensor | None) -> Tensor:
        return self.loss._pixel_weight(px, weight)

    def mass_min(self) -> float | None:
        """See :meth:`PixelLoss.mass_min`: that of the loss."""
        return self.loss.mass_min()

    def batch_term(self, px: Pixels, mass: Tensor | None) -> Tensor | None:
        """The term of the batch that the loss has, and Dice."""
        parts = [self.loss.any_batch_term(px, mass), super().batch_term(px, mass)]
        known = [part for part in parts if part is not None]
        return sum(known[1:], known[0]) if known else None

    def small_logits_obstacle(self) -> str | None:
        """See :meth:`PixelLoss.small_logits_obstacle`; that of the loss comes first."""
        return self.loss.small_logits_obstacle() or super().small_logits_obstacle()

    def takes_small_logits(self, seg_logits: Tensor) -> bool:
        """See :meth:`PixelLoss.takes_small_logits`."""
        return super().takes_small_logits(seg_logits) and self.loss.takes_small_logits(seg_logits)


def _built(loss: Any, kwargs: Mapping[str, Any]) -> PixelLoss:
    """The loss of a config, with further arguments."""
    if not isinstance(loss, Mapping) or "type" not in loss:
        raise ValueError(f"loss must be a loss config with a 'type'; got {loss!r}.")
    if twice := set(loss) & set(kwargs):
        raise ValueError(f"{sorted(twice)} given both in loss and beside it.")
    if own := {"ce_share", "dice_weight"} & set(loss):
        raise ValueError(f"{sorted(own)} of loss belongs to the warm start; give it beside loss.")
    return build_loss({**loss, **kwargs}, "loss")
