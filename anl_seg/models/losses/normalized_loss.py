"""Normalised form of any loss with a per-class form (Ma et al., ICML 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_loss
from anl_seg.models.losses._class_form import build_base
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NormalizedLoss(PixelLoss):
    """L_y / sum_k L_k, L_k the base loss with label k; symmetric whatever the base.

    ``base=dict(type='CELoss')`` is NCE, ``dict(type='FocalLoss', gamma=0.5)`` NFL.

    Args:
        base: config of a loss with a per-class form; any other is an error that lists those. None =
            cross entropy.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_normalized"

    def __init__(self, base: dict | PixelLoss | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base, self._form = build_base({"type": "CELoss"} if base is None else base, False)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.normalized_loss`."""
        return normalized_loss(logits, target, base=self._form, ignore_index=ignore_index)
