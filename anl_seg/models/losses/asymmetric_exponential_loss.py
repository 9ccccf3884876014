"""Asymmetric exponential loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import asymmetric_exponential_loss
from anl_seg.functional.asymmetric_exponential_loss import check_parameters
from anl_seg.kernels.terms import AsymmetricExponential, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class AELLoss(PixelLoss):
    """Asymmetric exponential loss, exp(-p_y / a).

    Args:
        a: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_ael"
    parameter_names = ("a",)

    def __init__(self, a: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_parameters(a)
        self.a = float(a)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.asymmetric_exponential_loss`."""
        return asymmetric_exponential_loss(logits, target, a=self.a, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (AsymmetricExponential(a=self.a),)
