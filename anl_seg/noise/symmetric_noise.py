"""Symmetric label noise: a wrong class, any of them."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_mask, check_rate, check_rng

from .base import MaskNoise


def symmetric_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    rate: float,
    num_classes: int,
    ignore_index: int = 255,
) -> np.ndarray:
    """Flip each valid pixel with probability ``rate`` to one of the other classes, drawn uniformly.

    The true class is never drawn, so ``rate`` is the expected share of *wrong* pixels.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws one uniform number per pixel, ignored pixels included.
        rate: probability of a flip in [0, 1]; of valid pixels.
        num_classes: number of classes, at least 2.
        ignore_index: label of the pixels to leave alone.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Patrini et al., CVPR 2017; Han et al., NeurIPS 2018.
    """
    rate = check_rate("rate", rate)
    check_rng(rng)
    valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
    draw = rng.random(mask.shape)
    flip = np.flatnonzero(valid & (draw < rate))
    # Below the rate the draw is uniform on [0, rate): divided by it, it also chooses the class.
    # The minimum catches a product that rounds up to num_classes - 1: that is the true class.
    chosen = (np.take(draw, flip) / rate * (num_classes - 1)).astype(np.int32)
    label = np.take(mask, flip) + (np.minimum(chosen, num_classes - 2) + 1)
    label -= num_classes * (label >= num_classes)
    noisy = mask.copy()
    np.put(noisy, flip, label)
    return noisy


class SymmetricNoise(MaskNoise):
    """:func:`symmetric_noise` with a fixed rate.

    Args:
        rate: probability of a flip in [0, 1]; of valid pixels.
    """

    def __init__(self, rate: float) -> None:
        self.rate = check_rate("rate", rate)

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        return symmetric_noise(
            mask, rng, rate=self.rate, num_classes=num_classes, ignore_index=ignore_index
        )
