"""Symmetric label noise: a wrong class, any of them."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_rate

from .base import MaskContext, MaskNoise, as_function, register_noise
from .sample_rng import Rng


@register_noise(example=dict(rate=0.4), no_noise=dict(rate=0))
class SymmetricNoise(MaskNoise):
    """Flip each valid pixel with probability ``rate`` to one of the other classes, drawn uniformly.

    The true class is never drawn, so ``rate`` is the expected share of *wrong* pixels.

    Args:
        rate: probability of a flip in [0, 1]; of valid pixels.

    Random numbers: draws one uniform number per pixel, ignored pixels included.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Patrini et al., CVPR 2017; Han et al., NeurIPS 2018.
    """

    strength_name = "rate"

    def __init__(self, rate: float) -> None:
        self.rate = check_rate("rate", rate)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        num_classes = context.num_classes
        draw = rng.random(mask.shape)
        flip = np.flatnonzero(valid & (draw < self.rate))
        # Below the rate the draw is uniform on [0, rate): divided by it, it also chooses the class.
        # The minimum catches a product that rounds up to num_classes - 1: that is the true class.
        chosen = (np.take(draw, flip) / self.rate * (num_classes - 1)).astype(np.int32)
        label = np.take(mask, flip) + (np.minimum(chosen, num_classes - 2) + 1)
        label -= num_classes * (label >= num_classes)
        noisy = mask.copy()
        np.put(noisy, flip, label)
        return noisy


symmetric_noise = as_function(SymmetricNoise)
