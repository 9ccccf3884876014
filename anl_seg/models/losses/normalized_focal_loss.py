"""Normalised focal loss (Ma et al., ICML 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_focal_loss
from anl_seg.functional._pixels import check_gamma
from anl_seg.kernels.terms import NormalizedFocal, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NFLLoss(PixelLoss):
    """Normalised focal loss, FL_y / sum_k FL_k.

    Args:
        gamma: focusing exponent, 0 or more.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nfl"
    parameter_names = ("gamma",)

    def __init__(self, gamma: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_gamma(gamma)
        self.gamma = float(gamma)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_focal_loss`."""
        return normalized_focal_loss(logits, target, gamma=self.gamma, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (NormalizedFocal(gamma=self.gamma),)
