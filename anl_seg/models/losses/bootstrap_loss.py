"""Bootstrapping (Reed et al., ICLR 2015 workshop)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional.bootstrap_loss import bootstrap_loss, check_bootstrap
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class BootstrapLoss(PixelLoss):
    """Cross entropy with beta of the label and 1 - beta of the model's own prediction.

    Args:
        beta: weight of the label, in [0, 1]; published: 0.95 (soft), 0.8 (hard).
        mode: ``soft``, the predicted probabilities, or ``hard``, the most probable class.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_bootstrap"
    parameter_names = ("beta", "mode")

    def __init__(self, beta: float = 0.95, mode: str = "soft", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_bootstrap(beta, mode)
        self.beta = float(beta)
        self.mode = mode

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.bootstrap_loss`."""
        return bootstrap_loss(
            logits, target, beta=self.beta, mode=self.mode, ignore_index=ignore_index
        )
