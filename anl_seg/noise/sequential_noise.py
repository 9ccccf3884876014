"""Several noises, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .base import MaskNoise
from .random_choice_noise import build_noises, configs, seeding_configs


def sequential_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    noises: Sequence[MaskNoise | Mapping[str, Any]],
    num_classes: int,
    ignore_index: int = 255,
    image: np.ndarray | None = None,
) -> np.ndarray:
    """Apply several noises, each to the result of the one before.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws what the noises draw, in their order.
        noises: models or their configs, at least one.
        num_classes: number of classes, at least 2.
        ignore_index: label of the pixels to leave alone.
        image: for noises that look at it.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        TypeError: a noise is neither a model nor a config.
        ValueError: a parameter or a label is out of range.
    """
    noise = SequentialNoise(noises)
    return noise(mask, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)


class SequentialNoise(MaskNoise):
    """:func:`sequential_noise` with fixed parameters.

    Args:
        noises: models or their configs, at least one.
    """

    def __init__(self, noises: Sequence[MaskNoise | Mapping[str, Any]]) -> None:
        self.noises = build_noises(noises)
        if None in self.noises:
            raise TypeError(f"noises must be models or their configs, got None in {noises!r}")
        self.needs_image = any(noise.needs_image for noise in self.noises)

    def parameters(self) -> dict[str, Any]:
        return {"noises": configs(self.noises)}

    def seeding_parameters(self) -> dict[str, Any]:
        return {"noises": seeding_configs(self.noises)}

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        for noise in self.noises:
            mask = noise(mask, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)
        return mask
