"""Normalised negative cross entropy (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_negative_cross_entropy
from anl_seg.functional._pixels import check_min_prob, check_relative_min_prob, flip_point
from anl_seg.kernels.terms import NormalizedNegativeCrossEntropy, Term
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NNCELoss(PixelLoss):
    """Normalised negative cross entropy: cross entropy flipped at ``min_prob``, normalised.

    Args:
        min_prob: the flip point, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``; None =
            ``min_prob``. The same number for any number of classes.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nnce"
    parameter_names = ("min_prob", "relative_min_prob")

    def __init__(
        self, min_prob: float = 1e-7, relative_min_prob: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_min_prob(min_prob)
        check_relative_min_prob(relative_min_prob)
        self.min_prob = float(min_prob)
        self.relative_min_prob = relative_min_prob

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_negative_cross_entropy`."""
        min_prob = flip_point(self.min_prob, self.relative_min_prob, max(logits.shape[1], 2))
        return normalized_negative_cross_entropy(
            logits, target, min_prob=min_prob, ignore_index=ignore_index
        )

    def kernel_terms(self) -> tuple[Term, ...]:
        """See :meth:`PixelLoss.kernel_terms`."""
        return (
            NormalizedNegativeCrossEntropy(
                min_prob=self.min_prob, relative_min_prob=self.relative_min_prob
            ),
        )
