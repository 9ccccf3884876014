"""Pair noise: each class is taken for the next one."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_mask, check_rate, check_rng

from .base import MaskNoise


def pair_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    rate: float,
    num_classes: int,
    ignore_index: int = 255,
) -> np.ndarray:
    """Flip each valid pixel of class k with probability ``rate`` to class (k + 1) mod C.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws one uniform number per pixel, ignored pixels included.
        rate: probability of a flip in [0, 1]; of valid pixels. From 0.5 on, the wrong class is the
            more frequent one.
        num_classes: number of classes C, at least 2.
        ignore_index: label of the pixels to leave alone.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Han et al., NeurIPS 2018 ("pair flipping"); Patrini et al., CVPR 2017.
    """
    rate = check_rate("rate", rate)
    check_rng(rng)
    valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
    flip = valid & (rng.random(mask.shape) < rate)
    noisy = mask.copy()
    noisy[flip] = (mask[flip].astype(np.int64) + 1) % num_classes
    return noisy


class PairNoise(MaskNoise):
    """:func:`pair_noise` with a fixed rate.

    Args:
        rate: probability of a flip in [0, 1]; of valid pixels.
    """

    def __init__(self, rate: float) -> None:
        self.rate = check_rate("rate", rate)

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        return pair_noise(
            mask, rng, rate=self.rate, num_classes=num_classes, ignore_index=ignore_index
        )
