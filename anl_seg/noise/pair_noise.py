"""Pair noise: each class is taken for the next one."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_rate

from .base import MaskContext, MaskNoise, as_function, register_noise
from .sample_rng import Rng


@register_noise(example=dict(rate=0.4), no_noise=dict(rate=0))
class PairNoise(MaskNoise):
    """Flip each valid pixel of class k with probability ``rate`` to class (k + 1) mod C.

    Args:
        rate: probability of a flip in [0, 1]; of valid pixels. From 0.5 on, the wrong class is the
            more frequent one.

    Random numbers: draws one uniform number per pixel, ignored pixels included.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Han et al., NeurIPS 2018 ("pair flipping"); Patrini et al., CVPR 2017.
    """

    strength_name = "rate"

    def __init__(self, rate: float) -> None:
        self.rate = check_rate("rate", rate)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        flip = valid & (rng.random(mask.shape) < self.rate)
        noisy = mask.copy()
        noisy[flip] = (mask[flip].astype(np.int64) + 1) % context.num_classes
        return noisy


pair_noise = as_function(PairNoise)
