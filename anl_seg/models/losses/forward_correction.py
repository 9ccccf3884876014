"""Forward loss correction (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional.forward_correction import forward_correction
from anl_seg.models.losses._class_values import ClassValues
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.noise import load_transition_matrix
from anl_seg.registry import MODELS


@MODELS.register_module()
class ForwardCorrectionLoss(PixelLoss):
    """Forward correction, -log sum_k T[k, y] p_k.

    Args:
        matrix: T[true, noisy], (C, C) probabilities, rows sum to 1: a list, or the path of a
            ``.json``, ``.npy`` or ``.csv`` file such as
            ``tools/estimate_transition_matrix.py --save`` writes. Read once, at construction; not
            in the state dict.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_forward_correction"
    function = forward_correction

    def __init__(self, matrix: Sequence[Sequence[float]] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.matrix = ClassValues(load_transition_matrix(matrix))

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {"matrix": self.matrix.like(px.given)}
