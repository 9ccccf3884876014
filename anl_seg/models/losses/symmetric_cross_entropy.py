"""Symmetric cross entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import symmetric_cross_entropy
from anl_seg.kernels.terms import CrossEntropy, ReverseCrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class SCELoss(PixelLoss):
    """Symmetric cross entropy: alpha CE + beta RCE; (0.1, 1) on CIFAR-10, (6, 0.1) on CIFAR-100.

    Args:
        alpha: weight of cross entropy.
        beta: weight of reverse cross entropy.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_sce"
    parameter_names = ("alpha", "beta")

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = float(alpha)
        self.beta = float(beta)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.symmetric_cross_entropy`."""
        return symmetric_cross_entropy(
            logits, target, alpha=self.alpha, beta=self.beta, ignore_index=ignore_index
        )

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (
            CrossEntropy(self.alpha),
            ReverseCrossEntropy(self.beta),
        )
