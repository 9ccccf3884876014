"""Several noises, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .base import MaskContext, MaskNoise, as_function, register_noise
from .build import build_noises, configs, seeding_configs
from .sample_rng import Rng


@register_noise(
    example=dict(
        noises=[dict(type="ClassSwapNoise", rate=0.4), dict(type="SymmetricNoise", rate=0.1)]
    ),
    no_noise=dict(noises=[dict(type="PairNoise", rate=0)]),
)
class SequentialNoise(MaskNoise):
    """Apply several noises, each to the result of the one before.

    Args:
        noises: models or their configs, at least one.

    Random numbers: draws what the noises draw, in their order.

    Raises:
        TypeError: a noise is neither a model nor a config.
        ValueError: a parameter or a label is out of range.
    """

    def __init__(self, noises: Sequence[MaskNoise | Mapping[str, Any]]) -> None:
        built = build_noises(noises)
        self.noises = [noise for noise in built if noise is not None]
        if len(self.noises) < len(built):
            raise TypeError(f"noises must be models or their configs, got None in {noises!r}")
        self.needs_image = any(noise.needs_image for noise in self.noises)

    def parameters(self) -> dict[str, Any]:
        return {"noises": configs(self.noises)}

    def seeding_parameters(self) -> dict[str, Any]:
        return {"noises": seeding_configs(self.noises)}

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        for noise in self.noises:
            mask = noise(mask, rng, **context._asdict())
        return mask


sequential_noise = as_function(SequentialNoise)
