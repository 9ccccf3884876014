"""Active passive loss (Ma et al., ICML 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import active_passive_loss
from anl_seg.models.losses._build import build_part
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class ActivePassiveLoss(PixelLoss):
    """alpha active + beta passive; by default NCE + RCE.

    Args:
        active: config of a loss that asks p_y to grow.
        passive: config of a loss that asks the other classes to shrink.
        alpha: weight of the active loss.
        beta: weight of the passive loss.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_apl"
    parameter_names = ("alpha", "beta")

    def __init__(
        self,
        active: dict | PixelLoss | None = None,
        passive: dict | PixelLoss | None = None,
        alpha: float = 1.0,
        beta: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.active = build_part({"type": "NCELoss"} if active is None else active, "active")
        self.passive = build_part({"type": "RCELoss"} if passive is None else passive, "passive")
        self.alpha = float(alpha)
        self.beta = float(beta)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.active_passive_loss`."""
        return active_passive_loss(
            logits,
            target,
            active=self.active.pixel_loss,
            passive=self.passive.pixel_loss,
            alpha=self.alpha * self.active.loss_weight,
            beta=self.beta * self.passive.loss_weight,
            ignore_index=ignore_index,
        )
