"""Asymmetric norm loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import asymmetric_norm_loss
from anl_seg.functional.asymmetric_norm_loss import check_parameters
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class ANormLoss(PixelLoss):
    """Asymmetric norm loss, ((a - p_y)^p + sum_{k != y} p_k^p - (a - 1)^p) / p.

    Args:
        a: above 1.
        p: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anorm"
    parameter_names = ("a", "p")

    def __init__(self, a: float = 1.5, p: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_parameters(a, p)
        self.a = float(a)
        self.p = float(p)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.asymmetric_norm_loss`."""
        return asymmetric_norm_loss(logits, target, a=self.a, p=self.p, ignore_index=ignore_index)
