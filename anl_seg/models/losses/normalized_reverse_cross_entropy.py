"""Normalised reverse cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional import normalized_reverse_cross_entropy
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NRCELoss(PixelLoss):
    """Normalised reverse cross entropy, about (1 - p_y) / (C - 1). Arguments of :class:`PixelLoss`."""

    default_name = "loss_nrce"

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_reverse_cross_entropy`."""
        return normalized_reverse_cross_entropy(logits, target, ignore_index=ignore_index)
