"""Normalised cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import normalized_cross_entropy
from anl_seg.kernels.terms import NormalizedCrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NCELoss(PixelLoss):
    """Normalised cross entropy, log p_y / sum_k log p_k.

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_nce"

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_cross_entropy`."""
        return normalized_cross_entropy(logits, target, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (NormalizedCrossEntropy(),)
