"""Normalised negative form of any active loss (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_negative_loss
from anl_seg.functional._pixels import check_min_prob
from anl_seg.models.losses._class_form import build_base
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NormalizedNegativeLoss(PixelLoss):
    """1 - (A - L_y) / sum_k (A - L_k), L_k the base loss with label k, A its value at min_prob.

    ``base=dict(type='CELoss')`` is NNCE, ``dict(type='FocalLoss', gamma=0.5)`` NNFL. Beside
    :class:`NormalizedLoss` in :class:`ActiveNegativeLoss` it gives the ANL of that base, which for
    these two is ANL-CE and ANL-FL.

    Args:
        base: config of a loss in which class k depends on p_k alone; any other is an error that
            lists those. None = cross entropy.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_normalized_negative"
    parameter_names = ("min_prob",)

    def __init__(
        self, base: dict | PixelLoss | None = None, min_prob: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_min_prob(min_prob)
        self.base, self._form = build_base({"type": "CELoss"} if base is None else base, True)
        self.min_prob = float(min_prob)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_negative_loss`."""
        return normalized_negative_loss(
            logits, target, base=self._form, min_prob=self.min_prob, ignore_index=ignore_index
        )
