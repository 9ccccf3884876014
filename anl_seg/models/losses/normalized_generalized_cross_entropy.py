"""Normalised generalised cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_generalized_cross_entropy
from anl_seg.functional.generalized_cross_entropy import check_q
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NGCELoss(PixelLoss):
    """Normalised generalised cross entropy, (1 - p_y^q) / (C - sum_k p_k^q).

    Args:
        q: in (0, 1]; near 0 like NCE.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_ngce"
    parameter_names = ("q",)

    def __init__(self, q: float = 0.7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_q(q)
        self.q = float(q)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_generalized_cross_entropy`."""
        return normalized_generalized_cross_entropy(
            logits, target, q=self.q, ignore_index=ignore_index
        )
