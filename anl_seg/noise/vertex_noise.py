"""Objects whose corners were clicked beside their place."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_background, check_number, check_per_class, value_per_class

from .base import as_function, register_noise
from .objects import MaskObject, MaskObjects
from .outline import Outline, Polygon, redraw_outline
from .polygon_noise import simplify
from .reshape import Reshape, ShapeNoise
from .sample_rng import Rng

# Beyond these coordinates OpenCV's fixed-point polygons overflow; no image reaches them.
_FARTHEST = (-16000, 16000)


@register_noise(example=dict(sigma=3, tolerance=2), no_noise=dict(sigma=0))
class VertexNoise(ShapeNoise):
    """Move each vertex of the outline of each object by Gaussian noise.

    An object is an 8-connected region of one class. The vertices of its outer outline, and of the
    outline of each of its holes, move by independent normal numbers in x and y, rounded to whole
    pixels; then the polygons are filled again (even-odd where they cross themselves). A hole never
    gets lost. Every object is changed from the clean mask; pixels that it leaves take the label of
    the nearest valid pixel outside it, then all are painted in random order.

    Args:
        sigma: standard deviation in pixels, at least 0, of x and of y; at 0 nothing changes. May be
            a list of one value per class (the background's is not used).
        tolerance: in pixels, at least 0. At 0, every corner of the pixel outline is a vertex, as in
            COCO-N: a round object gets a very ragged outline. Above, the outline is simplified
            first (see :func:`polygon_noise`), as if drawn with fewer clicks.
        background: the class that has no objects; None if every class has.

    Random numbers: draws two normal numbers per vertex, and the order of painting.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: "localization" noise of COCO-N, Kimhi et al., 2024 (there without holes).
    """

    strength_name = "sigma"

    def __init__(
        self, sigma: float | list[float], tolerance: float = 0.0, background: int | None = 0
    ) -> None:
        self.sigma = check_per_class("sigma", sigma, check_number)
        self.tolerance = check_number("tolerance", tolerance)
        self.background = check_background(background)

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
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


vertex_noise = as_function(VertexNoise)
