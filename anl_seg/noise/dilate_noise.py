"""Objects drawn too wide."""

from __future__ import annotations

import math

import numpy as np

from anl_seg._checks import (
    check_background,
    check_background_in_range,
    check_flag,
    check_mask,
    check_number,
    check_rng,
)

from .distance import choose_smallest, nearest_distances
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise
from .rounding import round_half_up
from .window import Window


def dilate_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    beta: float,
    num_classes: int,
    background: int | None = 0,
    per_object: bool = True,
    ignore_index: int = 255,
) -> np.ndarray:
    """Grow each object by a share of its area.

    An object is an 8-connected region of one class. The round(beta area) valid pixels outside it
    that are nearest to it (Euclidean, between pixel centres, straight across ignored pixels) join
    it; which of the equally distant ones is drawn at random. Growth stops at the image's edge, and
    an object takes all there is if less is left than it should. Every object is grown from the
    clean mask; they are painted in random order, so that where two overlap no class is favoured.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws the order of painting and the choice among equally distant pixels.
        beta: growth, at least 0; of the object's clean area, halves rounded up to a whole pixel.
        num_classes: number of classes, at least 2.
        background: the class that has no objects; None if every class has.
        per_object: whether each region is an object of its own; False takes all pixels of a class
            as one object.
        ignore_index: label of the pixels to leave alone.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Gonzalez-Jimenez et al., MICCAI 2023; Gao et al., 2022.
    """
    beta = check_number("beta", beta)
    background = check_background(background)
    per_object = check_flag("per_object", per_object)
    check_rng(rng)
    valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
    check_background_in_range(background, num_classes)
    objects = MaskObjects(mask, valid, background=background, per_object=per_object)
    noisy = mask.copy()
    for position in rng.permutation(len(objects)).tolist():
        obj = objects[position]
        window, grown = _grow(valid, objects, obj, round_half_up(beta * obj.area), rng)
        noisy[window.slices][grown] = obj.label
    return noisy


def _grow(
    valid: np.ndarray,
    objects: MaskObjects,
    obj: MaskObject,
    extra: int,
    rng: np.random.RandomState | np.random.Generator,
) -> tuple[Window, np.ndarray]:
    """A window and, in it, the object with ``extra`` more pixels."""
    if extra == 0:
        return obj.window, objects.own(obj, obj.window)
    # A first guess: with room on all sides, no shape grows wider for its area than a disc.
    radius = math.sqrt(obj.area / math.pi)
    margin = math.ceil(radius * (math.sqrt(1 + extra / obj.area) - 1)) + 2
    while True:
        window = obj.window.grown(margin, valid.shape)
        whole = window.covers(valid.shape)
        grown = objects.own(obj, window)
        outside = valid[window.slices] & ~grown
        room = np.count_nonzero(outside)
        if whole or room >= extra:
            extra = min(extra, room)
            if extra == 0:
                return window, grown
            distance, limit = nearest_distances(grown, outside, extra)
            # Pixels beyond the window are at least margin + 1 away: it must not reach that far.
            if whole or limit < (margin + 1) ** 2:
                grown[outside] = choose_smallest(distance, extra, limit, rng)
                return window, grown
        margin *= 2


class DilateNoise(ShapeNoise):
    """:func:`dilate_noise` with fixed parameters.

    Args:
        beta: growth, at least 0; of each object's clean area.
        background: the class that has no objects; None if every class has.
        per_object: whether each region is an object of its own; False takes all pixels of a class
            as one object.
    """

    # A class of one region is changed alike with and without it.
    nested_in = ("per_object",)

    def __init__(self, beta: float, background: int | None = 0, per_object: bool = True) -> None:
        self.beta = check_number("beta", beta)
        self.background = check_background(background)
        self.per_object = check_flag("per_object", per_object)

    def reshaper(
        self, rng: np.random.RandomState | np.random.Generator, num_classes: int
    ) -> Reshape:
        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape:
            return Shape(*_grow(valid, objects, obj, round_half_up(self.beta * obj.area), rng))

        return reshape

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        return dilate_noise(
            mask,
            rng,
            beta=self.beta,
            num_classes=num_classes,
            background=self.background,
            per_object=self.per_object,
            ignore_index=ignore_index,
        )
