"""Objects drawn too tight."""

from __future__ import annotations

import math

import numpy as np

from anl_seg._checks import check_background, check_flag, check_rate

from .base import MaskContext, as_function, register_noise
from .distance import choose_smallest, nearest_distances
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise
from .rounding import round_half_up
from .sample_rng import Rng
from .vacated import fill_vacated


@register_noise(example=dict(beta=0.5), no_noise=dict(beta=0))
class ErodeNoise(ShapeNoise):
    """Shrink each object by a share of its area.

    An object is an 8-connected region of one class. Its round(beta area) pixels that are nearest to
    a valid pixel outside it (Euclidean, between pixel centers, straight across ignored pixels)
    leave it; which of the equally distant ones is drawn at random. They take the label of the
    nearest valid pixel outside the object, from the clean mask. The image's edge and ignored pixels
    are no borders to shrink from: an object that covers every valid pixel stays as it is. Objects
    share no pixels, so the order in which they shrink does not matter.

    Args:
        beta: loss in [0, 1]; of the object's clean area, halves rounded up to a whole pixel. At 1
            the object vanishes.
        background: the class that has no objects; None if every class has.
        per_object: whether each region is an object of its own; False takes all pixels of a class
            as one object.

    Random numbers: draws the choice among equally distant pixels.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Gonzalez-Jimenez et al., MICCAI 2023; Gao et al., 2022.
    """

    strength_name = "beta"
    # A class of one region is changed alike with and without it.
    nested_in = ("per_object",)

    def __init__(self, beta: float, background: int | None = 0, per_object: bool = True) -> None:
        self.beta = check_rate("beta", beta)
        self.background = check_background(background)
        self.per_object = check_flag("per_object", per_object)

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape | None:
            count = round_half_up(self.beta * obj.area)
            if count == 0 or obj.area == int(valid.sum()):
                return None
            leaving = _leaving(valid, objects, obj, count, rng)
            return Shape(obj.window, objects.own(obj, obj.window) & ~leaving)

        return reshape

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        objects = MaskObjects(mask, valid, background=self.background, per_object=self.per_object)
        valid_pixels = int(valid.sum())
        noisy, vacated = mask.copy(), []
        for obj in objects:
            count = round_half_up(self.beta * obj.area)
            if count == 0 or obj.area == valid_pixels:
                continue
            vacated.append((obj, _leaving(valid, objects, obj, count, rng)))
        fill_vacated(noisy, mask, valid, objects, vacated)
        return noisy


erode_noise = as_function(ErodeNoise)


def _leaving(
    valid: np.ndarray,
    objects: MaskObjects,
    obj: MaskObject,
    count: int,
    rng: Rng,
) -> np.ndarray:
    """Bool of the shape of the object's window, True at the ``count`` pixels that leave."""
    own = objects.own(obj, obj.window)
    # A first guess: a disc of that area would lose a rim of this width.
    margin = math.ceil(math.sqrt(obj.area / math.pi) * (1 - math.sqrt(1 - count / obj.area))) + 5
    while True:
        window = obj.window.grown(margin, valid.shape)
        outside = valid[window.slices] & ~objects.own(obj, window)
        whole = window.covers(valid.shape)
        if whole or outside.any():
            inside = obj.window.inside(window)
            among = np.zeros(window.shape, dtype=bool)
            among[inside] = own
            distance, limit = nearest_distances(outside, among, count)
            exit_distance = window.squared_exit_distance(valid.shape)[inside][own]
            # A pixel's distance is certain if it is below the way out of the window. One that is
            # not certain must at least be certain to lie beyond the limit.
            if whole or np.all(exit_distance > np.minimum(distance, limit)):
                leaving = np.zeros(own.shape, dtype=bool)
                leaving[own] = choose_smallest(distance, count, limit, rng)
                return leaving
        margin *= 2
