"""Asymmetric generalised cross entropy (Zhou et al., ICML 2021)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import asymmetric_generalized_cross_entropy
from anl_seg.functional.asymmetric_generalized_cross_entropy import check_parameters
from anl_seg.kernels.terms import AsymmetricGeneralizedCrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class AGCELoss(PixelLoss):
    """Asymmetric generalised cross entropy, ((a + 1)^q - (a + p_y)^q) / q.

    Args:
        a: above 0.
        q: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_agce"
    parameter_names = ("a", "q")

    def __init__(self, a: float = 1.0, q: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_parameters(a, q)
        self.a = float(a)
        self.q = float(q)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.asymmetric_generalized_cross_entropy`."""
        return asymmetric_generalized_cross_entropy(
            logits, target, a=self.a, q=self.q, ignore_index=ignore_index
        )

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (AsymmetricGeneralizedCrossEntropy(a=self.a, q=self.q),)
