"""Generalised cross entropy (Zhang & Sabuncu, NeurIPS 2018)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import generalized_cross_entropy
from anl_seg.functional.generalized_cross_entropy import check_q
from anl_seg.kernels.terms import GeneralizedCrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class GCELoss(PixelLoss):
    """Generalised cross entropy, (1 - p_y^q) / q.

    Args:
        q: in (0, 1]; near 0 like cross entropy, 1 is mean absolute error.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_gce"
    parameter_names = ("q",)

    def __init__(self, q: float = 0.7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_q(q)
        self.q = float(q)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.generalized_cross_entropy`."""
        return generalized_cross_entropy(logits, target, q=self.q, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (GeneralizedCrossEntropy(q=self.q),)
