"""One of several noises, drawn for each sample or for each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anl_seg._checks import check_background, check_flag, check_mask, check_number, check_rng

from .base import MaskNoise
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise, reshape_objects


def random_choice_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    noises: Sequence[MaskNoise | Mapping[str, Any] | None],
    num_classes: int,
    weights: Sequence[float] | None = None,
    per_object: bool = False,
    background: int | None = 0,
    ignore_index: int = 255,
    image: np.ndarray | None = None,
) -> np.ndarray:
    """Apply one of several noises, drawn by weight.

    By default one is drawn for the whole mask. With ``per_object`` one is drawn for each object (an
    8-connected region of one class): it redraws that object alone, and all objects are painted in
    random order.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws one number per mask (or per object) and what the noise drawn draws.
        noises: models or their configs; None stands for no noise. With ``per_object`` only models
            that redraw the shape of each object by itself: DilateNoise, ErodeNoise, AffineNoise,
            BandNoise, MarkovBoundaryNoise, PolygonNoise and VertexNoise.
        num_classes: number of classes, at least 2.
        weights: one number of at least 0 for each noise; what counts is their share of the sum.
            None: all are equally likely.
        per_object: whether each object draws for itself, instead of the mask as a whole.
        background: with ``per_object``, the class that has no objects; None if every class has.
        ignore_index: label of the pixels to leave alone.
        image: for noises that look at it.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        TypeError: a noise is neither a model nor a config nor None.
        ValueError: a parameter or a label is out of range.
    """
    noise = RandomChoiceNoise(noises, weights, per_object, background)
    return noise(mask, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)


class RandomChoiceNoise(MaskNoise):
    """:func:`random_choice_noise` with fixed parameters.

    Args:
        noises: models or their configs; None stands for no noise.
        weights: one number of at least 0 for each noise; None: all are equally likely.
        per_object: whether each object draws for itself, instead of the mask as a whole.
        background: with ``per_object``, the class that has no objects; None if every class has.
    """

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

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        if self.per_object:
            return reshape_objects(
                mask,
                rng,
                lambda: self._reshaper(rng, num_classes),
                num_classes=num_classes,
                background=self.background,
                ignore_index=ignore_index,
            )
        check_rng(rng)
        # Checked here too: a wrong mask fails on every sample and not on a share of them.
        check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
        noise = self._draw(rng)
        if noise is None:
            return mask.copy()
        return noise(mask, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)

    def _draw(self, rng: np.random.RandomState | np.random.Generator) -> MaskNoise | None:
        return self.noises[int(np.searchsorted(self._bounds, rng.random(), side="right"))]

    def _reshaper(
        self, rng: np.random.RandomState | np.random.Generator, num_classes: int
    ) -> Reshape:
        reshapers = {
            id(noise): noise.reshaper(rng, num_classes)
            for noise in self.noises
            if noise is not None
        }

        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape | None:
            noise = self._draw(rng)
            return None if noise is None else reshapers[id(noise)](objects, obj, valid)

        return reshape


def build_noises(noises: object) -> list[MaskNoise | None]:
    """The models of a list of models, configs and None.

    Raises:
        TypeError: it is no list, or an entry is none of these.
        ValueError: the list is empty, or a config is wrong.
    """
    from .build import build_noise

    if isinstance(noises, (str, Mapping)) or not isinstance(noises, Sequence):
        raise TypeError(f"noises must be a list of noises, got {noises!r}")
    if not noises:
        raise ValueError("noises must hold at least one noise, got an empty list")
    return [None if noise is None else build_noise(noise) for noise in noises]


def configs(noises: Sequence[MaskNoise | None]) -> list[dict[str, Any] | None]:
    """The configs of models, None for None."""
    return [None if noise is None else noise.config() for noise in noises]


def seeding_configs(noises: Sequence[MaskNoise | None]) -> list[list[Any] | None]:
    """Types and seeding parameters of models: what one nested in a parameter leaves out stays out."""
    return [
        None if noise is None else [type(noise).__name__, noise.seeding_parameters()]
        for noise in noises
    ]


def _check_weights(weights: object, count: int) -> list[float]:
    if isinstance(weights, str) or not isinstance(weights, Sequence) or len(weights) != count:
        raise ValueError(
            f"weights must list one number for each of {count} noises, got {weights!r}"
        )
    checked = [check_number(f"weights[{i}]", weight) for i, weight in enumerate(weights)]
    if not sum(checked) > 0:
        raise ValueError(f"at least one weight must be above 0, got {weights!r}")
    return checked
