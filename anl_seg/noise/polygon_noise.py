"""Objects drawn with too few corners."""

from __future__ import annotations

import cv2
import numpy as np

from anl_seg._checks import check_background, check_number, check_per_class, value_per_class

from .base import as_function, register_noise
from .objects import MaskObject, MaskObjects
from .outline import Outline, Polygon, redraw_outline
from .reshape import Reshape, ShapeNoise
from .sample_rng import Rng


@register_noise(example=dict(tolerance=5), no_noise=dict(tolerance=0))
class PolygonNoise(ShapeNoise):
    """Replace the outline of each object by a polygon with fewer corners.

    An object is an 8-connected region of one class. Its outer outline (through the centers of its
    outermost pixels) and the outline of each of its holes are simplified by Ramer, Douglas and
    Peucker: hardly a pixel of the old outline lies farther than ``tolerance`` from the new one
    (OpenCV's clean-up of nearly straight corners may add a pixel). Then the object is filled again,
    without its holes; a hole never gets lost. Every object is changed from
    the clean mask; pixels that it leaves take the label of the nearest valid pixel outside it, then
    all are painted in random order.

    Args:
        tolerance: in pixels, at least 0; at 0 nothing changes. May be a list of one value per class
            (the background's is not used).
        background: the class that has no objects; None if every class has.

    Random numbers: draws the order of painting; the polygons themselves are not random.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: "approximation" noise of COCO-N, Kimhi et al., 2024 (there without holes).
    """

    strength_name = "tolerance"

    def __init__(self, tolerance: float | list[float], background: int | None = 0) -> None:
        self.tolerance = check_per_class("tolerance", tolerance, check_number)
        self.background = check_background(background)

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        tolerances = value_per_class("tolerance", self.tolerance, num_classes)

        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Outline | None:
            tolerance = tolerances[obj.label]
            if tolerance == 0:
                return None
            return redraw_outline(
                objects, obj, lambda polygon: simplify(polygon, tolerance), simple=False
            )

        return reshape


polygon_noise = as_function(PolygonNoise)


def simplify(polygon: Polygon, tolerance: float) -> Polygon:
    """The closed polygon with fewer corners, hardly one of the old ones farther than the tolerance."""
    return cv2.approxPolyDP(polygon.reshape(-1, 1, 2), tolerance, closed=True)[:, 0, :]
