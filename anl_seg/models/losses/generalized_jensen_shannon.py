"""Jensen-Shannon loss (Englesson & Azizpour, NeurIPS 2021)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import generalized_jensen_shannon
from anl_seg.functional.generalized_jensen_shannon import check_pi
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class GJSLoss(PixelLoss):
    """Jensen-Shannon divergence of prediction and label, weighted and scaled.

    A head of mmseg gives one view, for which GJS is JS. For two views of the same pixels call
    :func:`anl_seg.functional.generalized_jensen_shannon` with ``logits2``.

    Args:
        pi: weight of the label, in (0, 1); near 0 like cross entropy, near 1 like the mean absolute
            error.
        scaled: divide by -(1 - pi) log(1 - pi).
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_gjs"
    parameter_names = ("pi", "scaled")

    def __init__(self, pi: float = 0.5, scaled: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_pi(pi)
        self.pi = float(pi)
        self.scaled = scaled

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.generalized_jensen_shannon`."""
        return generalized_jensen_shannon(
            logits, target, pi=self.pi, scaled=self.scaled, ignore_index=ignore_index
        )
