"""Backward loss correction (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional.backward_correction import (
    backward_correction,
    invert_transition_matrix,
)
from anl_seg.models.losses._class_values import ClassValues
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.noise import load_transition_matrix
from anl_seg.registry import MODELS


@MODELS.register_module()
class BackwardCorrectionLoss(PixelLoss):
    """Backward correction, sum_k inv(T)[y, k] l_k with l_k = -log p_k. May be negative.

    Args:
        matrix: T[true, noisy], (C, C) probabilities, rows sum to 1, invertible: a list, or the path
            of a ``.json``, ``.npy`` or ``.csv`` file such as
            ``tools/estimate_transition_matrix.py --save`` writes. Read once, at construction; not
            in the state dict.
        min_prob: lower clamp of the probabilities, in [0, 1); 0 is none.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_backward_correction"
    function = backward_correction

    def __init__(
        self, matrix: Sequence[Sequence[float]] | str, min_prob: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(min_prob=min_prob)
        self.inverse = ClassValues(invert_transition_matrix(load_transition_matrix(matrix)))

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {**super().arguments(px, weight), "inverse": self.inverse.like(px.given)}
