"""Objects drawn too wide."""

from __future__ import annotations

import math

import numpy as np

from anl_seg._checks import check_background, check_flag, check_number

from .base import MaskContext, as_function, register_noise
from .distance import choose_smallest, nearest_distances
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise
from .rounding import round_half_up
from .sample_rng import Rng
from .window import Window


@register_noise(example=dict(beta=0.5), no_noise=dict(beta=0))
class DilateNoise(ShapeNoise):
    """Grow each object by a share of its area.

    An object is an 8-connected region of one class. The round(beta area) valid pixels outside it
    that are nearest to it (Euclidean, between pixel centers, straight across ignored pixels) join
    it; which of the equally distant ones is drawn at random. Growth stops at the image's edge, and
    an object takes all there is if less is left than it should. Every object is grown from the
    clean mask; they are painted in random order, so that where two overlap no class is favored.

    Args:
        beta: growth, at least 0; of the object's clean area, halves rounded up to a whole pixel.
        background: the class that has no objects; None if every class has.
        per_object: whether each region is an object of its own; False takes all pixels of a class
            as one object.

    Random numbers: draws the order of painting and the choice among equally distant pixels.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Gonzalez-Jimenez et al., MICCAI 2023; Gao et al., 2022.
    """

    strength_name = "beta"
    # A class of one region is changed alike with and without it.
    nested_in = ("per_object",)

    def __init__(self, beta: float, background: int | None = 0, per_object: bool = True) -> None:
        self.beta = check_number("beta", beta)
        self.background = check_background(background)
        self.per_object = check_flag("per_object", per_object)

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape:
            return Shape(*_grow(valid, objects, obj, round_half_up(self.beta * obj.area), rng))

        return reshape

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        objects = MaskObjects(mask, valid, background=self.background, per_object=self.per_object)
        noisy = mask.copy()
        for position in rng.permutation(len(objects)).tolist():
            obj = objects[position]
            window, grown = _grow(valid, objects, obj, round_half_up(self.beta * obj.area), rng)
            noisy[window.slices][grown] = obj.label
        return noisy


dilate_noise = as_function(DilateNoise)


def _grow(
    valid: np.ndarray,
    objects: MaskObjects,
    obj: MaskObject,
    extra: int,
    rng: Rng,
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
        room = int(np.count_nonzero(outside))
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
