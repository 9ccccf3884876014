"""Reverse cross entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import reverse_cross_entropy
from anl_seg.kernels.terms import ReverseCrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class RCELoss(PixelLoss):
    """Reverse cross entropy, about 9.21 (1 - p_y).

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_rce"

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.reverse_cross_entropy`."""
        return reverse_cross_entropy(logits, target, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (ReverseCrossEntropy(),)
