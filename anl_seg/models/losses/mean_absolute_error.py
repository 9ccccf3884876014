"""Mean absolute error (Ghosh et al., AAAI 2017)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import mean_absolute_error
from anl_seg.kernels.terms import MeanAbsoluteError, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class MAELoss(PixelLoss):
    """Mean absolute error, 1 - p_y.

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_mae"

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.mean_absolute_error`."""
        return mean_absolute_error(logits, target, ignore_index=ignore_index)

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (MeanAbsoluteError(),)
