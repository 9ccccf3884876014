"""Objects whose corners were clicked beside their place."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_background, check_number, check_per_class, value_per_class

from .objects import MaskObject, MaskObjects
from .outline import Outline, Polygon, redraw_outline
from .polygon_noise import simplify
from .reshape import Reshape, ShapeNoise

# Beyond these coordinates OpenCV's fixed-point polygons overflow; no image reaches them.
_FARTHEST = (-16000, 16000)


def vertex_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    sigma: float | list[float],
    num_classes: int,
    tolerance: float = 0.0,
    background: int | None = 0,
    ignore_index: int = 255,
) -> np.ndarray:
    """Move each vertex of the outline of each object by Gaussian noise.

    An object is an 8-connected region of one class. The vertices of its outer outline, and of the
    outline of each of its holes, move by independent normal numbers in x and y, rounded to whole
    pixels; then the polygons are filled again (even-odd where they cross themselves). A hole never
    gets lost. Every object is changed from the clean mask; pixels that it leaves take the label of
    the nearest valid pixel outside it, then all are painted in random order.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``; H and W up to 16000.
        rng: draws two normal numbers per vertex, and the order of painting.
        sigma: standard deviation in pixels, at least 0, of x and of y; at 0 nothing changes. May be
            a list of one value per class (the background's is not used).
        num_classes: number of classes, at least 2.
        tolerance: in pixels, at least 0. At 0, every corner of the pixel outline is a vertex, as in
            COCO-N: a round object gets a very ragged outline. Above, the outline is simplified
            first (see :func:`polygon_noise`), as if drawn with fewer clicks.
        background: the class that has no objects; None if every class has.
        ignore_index: label of the pixels to leave alone.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: "localization" noise of COCO-N, Kimhi et al., 2024 (there without holes).
    """
    noise = VertexNoise(sigma, tolerance, background)
    return noise(mask, rng, num_classes=num_classes, ignore_index=ignore_index)


class VertexNoise(ShapeNoise):
    """:func:`vertex_noise` with fixed parameters.

    Args:
        sigma: standard deviation of a vertex in x and in y, in pixels, at least 0.
        tolerance: of the simplification before, in pixels, at least 0.
        background: the class that has no objects; None if every class has.
    """

    def __init__(
        self, sigma: float | list[float], tolerance: float = 0.0, background: int | None = 0
    ) -> None:
        self.sigma = check_per_class("sigma", sigma, check_number)
        self.tolerance = check_number("tolerance", tolerance)
        self.background = check_background(background)

    def reshaper(
        self, rng: np.random.RandomState | np.random.Generator, num_classes: int
    ) -> Reshape:
        sigmas = value_per_class("sigma", self.sigma, num_classes)

        def jitter(polygon: Polygon, sigma: float) -> Polygon:
            if self.tolerance > 0:
                polygon = simplify(polygon, self.tolerance)
            moved = polygon + sigma * rng.standard_normal(polygon.shape)
            return np.clip(np.floor(moved + 0.5), *_FARTHEST).astype(np.int32)

        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Outline | None:
            sigma = sigmas[obj.label]
            if sigma == 0:
                return None
            return redraw_outline(objects, obj, lambda polygon: jitter(polygon, sigma), simple=True)

        return reshape
