"""Normalised negative focal loss (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_negative_focal_loss
from anl_seg.functional._pixels import (
    check_gamma,
    check_min_prob,
    check_relative_min_prob,
    flip_point,
)
from anl_seg.kernels.terms import NormalizedNegativeFocal, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NNFLLoss(PixelLoss):
    """Normalised negative focal loss: the focal loss flipped at ``min_prob``, normalised.

    Args:
        gamma: focusing exponent, 0 or more.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``; None =
            ``min_prob``. The same number for any number of classes.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nnfl"
    parameter_names = ("gamma", "min_prob", "relative_min_prob")

    def __init__(
        self,
        gamma: float = 0.5,
        min_prob: float = 1e-7,
        relative_min_prob: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_gamma(gamma)
        check_min_prob(min_prob)
        check_relative_min_prob(relative_min_prob)
        self.gamma = float(gamma)
        self.min_prob = float(min_prob)
        self.relative_min_prob = relative_min_prob

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_negative_focal_loss`."""
        min_prob = flip_point(self.min_prob, self.relative_min_prob, max(logits.shape[1], 2))
        return normalized_negative_focal_loss(
            logits, target, gamma=self.gamma, min_prob=min_prob, ignore_index=ignore_index
        )

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (
            NormalizedNegativeFocal(
                gamma=self.gamma,
                min_prob=self.min_prob,
                relative_min_prob=self.relative_min_prob,
            ),
        )
