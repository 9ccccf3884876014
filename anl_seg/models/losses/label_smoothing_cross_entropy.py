"""Label smoothing, positive or negative (Lukasik et al., ICML 2020; Wei et al., ICML 2022)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import check_min_prob
from anl_seg.functional.label_smoothing_cross_entropy import (
    check_smoothing,
    label_smoothing_cross_entropy,
)
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class LabelSmoothingCELoss(PixelLoss):
    """Cross entropy with (1 - s) of the label and s of the uniform distribution.

    Args:
        smoothing: s, below 1; negative = negative label smoothing, whose values may be negative.
        min_prob: lower clamp of the probabilities where ``smoothing`` is negative, in (0, 1).
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_label_smoothing"
    parameter_names = ("smoothing", "min_prob")

    def __init__(self, smoothing: float = 0.1, min_prob: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_smoothing(smoothing)
        check_min_prob(min_prob)
        self.smoothing = float(smoothing)
        self.min_prob = float(min_prob)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.label_smoothing_cross_entropy`."""
        return label_smoothing_cross_entropy(
            logits,
            target,
            smoothing=self.smoothing,
            min_prob=self.min_prob,
            ignore_index=ignore_index,
        )
