"""Cross entropy under the common contract."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import cross_entropy
from anl_seg.kernels.terms import CrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class CELoss(PixelLoss):
    """Cross entropy: the baseline, with a mean over valid pixels and class weights beside 255.

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_ce"

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.cross_entropy`."""
        return cross_entropy(logits, target, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (CrossEntropy(),)
