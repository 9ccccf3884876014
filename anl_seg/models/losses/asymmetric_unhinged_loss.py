"""Asymmetric unhinged loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import asymmetric_unhinged_loss
from anl_seg.functional.asymmetric_unhinged_loss import check_parameters
from anl_seg.kernels.terms import AsymmetricUnhinged, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class AUELoss(PixelLoss):
    """Asymmetric unhinged loss, ((a - p_y)^q - (a - 1)^q) / q; AUL in the paper.

    Args:
        a: above 1.
        q: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_aue"
    parameter_names = ("a", "q")

    def __init__(self, a: float = 1.5, q: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_parameters(a, q)
        self.a = float(a)
        self.q = float(q)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.asymmetric_unhinged_loss`."""
        return asymmetric_unhinged_loss(
            logits, target, a=self.a, q=self.q, ignore_index=ignore_index
        )

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (AsymmetricUnhinged(a=self.a, q=self.q),)
