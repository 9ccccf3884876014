"""One of several noises, drawn for each sample or for each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anl_seg._checks import check_background, check_flag, check_number

from .base import MaskContext, MaskNoise, as_function, register_noise
from .build import build_noises, configs, seeding_configs
from .objects import MaskObject, MaskObjects
from .outline import Outline
from .reshape import Reshape, Shape, ShapeNoise, reshape_objects
from .sample_rng import Rng


@register_noise(
    example=dict(
        noises=[
            None,
            dict(type="PolygonNoise", tolerance=8),
            dict(type="BandNoise", low=3, high=4),
        ],
        per_object=True,
    ),
    no_noise=dict(noises=[None]),
)
class RandomChoiceNoise(MaskNoise):
    """Apply one of several noises, drawn by weight.

    By default one is drawn for the whole mask. With ``per_object`` one is drawn for each object (an
    8-connected region of one class): it redraws that object alone, and all objects are painted in
    random order.

    Args:
        noises: models or their configs; None stands for no noise. With ``per_object`` only models
            that redraw the shape of each object by itself: DilateNoise, ErodeNoise, AffineNoise,
            BandNoise, MarkovBoundaryNoise, PolygonNoise and VertexNoise.
        weights: one number of at least 0 for each noise; what counts is their share of the sum.
            None: all are equally likely.
        per_object: whether each object draws for itself, instead of the mask as a whole.
        background: with ``per_object``, the class that has no objects; None if every class has.

    Random numbers: draws one number per mask (or per object) and what the noise drawn draws.

    Raises:
        TypeError: a noise is neither a model nor a config nor None.
        ValueError: a parameter or a label is out of range.
    """

    not_strengths = ("background", "weights")

    def __init__(
        self,
        noises: Sequence[MaskNoise | Mapping[str, Any] | None],
        weights: Sequence[float] | None = None,
        per_object: bool = False,
        background: int | None = 0,
    ) -> None:
        self.noises = build_noises(noises)
        self.weights = None if weights is None else _check_weights(weights, len(self.noises))
        self.per_object = check_flag("per_object", per_object)
        self.background = check_background(background)
        self.needs_image = any(noise is not None and noise.needs_image for noise in self.noises)
        if self.per_object:
            for noise in self.noises:
                if noise is not None and not isinstance(noise, ShapeNoise):
                    raise ValueError(
                        "with per_object, noises must redraw the shape of each object by itself; "
                        f"{type(noise).__name__} does not"
                    )
        shares = np.ones(len(self.noises)) if self.weights is None else np.array(self.weights)
        # The last bound is exactly 1, which no draw reaches.
        self._bounds = np.cumsum(shares) / np.cumsum(shares)[-1]

    def parameters(self) -> dict[str, Any]:
        return dict(super().parameters(), noises=configs(self.noises))

    def seeding_parameters(self) -> dict[str, Any]:
        return dict(super().seeding_parameters(), noises=seeding_configs(self.noises))

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        if self.per_object:
            objects = MaskObjects(mask, valid, background=self.background)
            return reshape_objects(
                mask, valid, objects, self._reshaper(rng, context.num_classes), rng
            )
        noise = self._draw(rng)
        return mask.copy() if noise is None else noise(mask, rng, **context._asdict())

    def _draw(self, rng: Rng) -> MaskNoise | None:
        return self.noises[int(np.searchsorted(self._bounds, rng.random(), side="right"))]

    def _reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        reshapers = {
            id(noise): noise.reshaper(rng, num_classes)
            for noise in self.noises
            if isinstance(noise, ShapeNoise)
        }

        def reshape(
            objects: MaskObjects, obj: MaskObject, valid: np.ndarray
        ) -> Shape | Outline | None:
            noise = self._draw(rng)
            return None if noise is None else reshapers[id(noise)](objects, obj, valid)

        return reshape


random_choice_noise = as_function(RandomChoiceNoise)


def _check_weights(weights: object, count: int) -> list[float]:
    if isinstance(weights, str) or not isinstance(weights, Sequence) or len(weights) != count:
        raise ValueError(
            f"weights must list one number for each of {count} noises, got {weights!r}"
        )
    checked = [check_number(f"weights[{i}]", weight) for i, weight in enumerate(weights)]
    if not sum(checked) > 0:
        raise ValueError(f"at least one weight must be above 0, got {weights!r}")
    return checked
