"""Objects drawn too wide or too tight by a number of pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from anl_seg._checks import (
    check_background,
    check_flag,
    check_number,
    check_per_class,
    check_rate,
    value_per_class,
)

from .base import as_function, register_noise
from .distance import squared_distance
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise
from .sample_rng import Rng

_METRICS = ("euclidean", "chessboard")


@register_noise(example=dict(low=2, high=5), no_noise=dict(low=0, high=0))
class BandNoise(ShapeNoise):
    """Dilate or erode each class by a band of random width.

    With probability ``dilate_probability`` the class is dilated: the valid pixels outside it that
    are nearer to it than r join it. Otherwise it is eroded: its pixels nearer than r to a valid
    pixel outside leave it. r is drawn uniformly from [low, high] pixels; distances are between
    pixel centers and straight across ignored pixels. The edge of the image is no border to shrink
    from. All objects (8-connected regions) of a class share the direction and r, unless
    ``per_object``. Every object is changed from the clean mask; pixels that it leaves take the
    label of the nearest valid pixel outside it, then all are painted in random order.

    Args:
        low: smallest r in pixels, at least 0; a pixel next to the object is at distance 1.
        high: largest r in pixels, at least ``low``. Both may be lists of one value per class (the
            background's is not used).
        dilate_probability: in [0, 1]; of classes (or objects).
        metric: 'euclidean', or 'chessboard': the larger of the distances in rows and in columns, as
            with a square structuring element.
        per_object: whether each object draws for itself, instead of each class.
        background: the class that has no objects; None if every class has.

    Random numbers: draws a direction and a width per class (or per object), and the order of
    painting.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: the "DE" noise of Yao et al., ICLR 2023 (Euclidean); COCO-N, Kimhi et al., 2024
    (chessboard).
    """

    strength_name = "high"
    strength_companions = ("low",)

    def __init__(
        self,
        low: float | list[float],
        high: float | list[float],
        dilate_probability: float = 0.5,
        metric: str = "euclidean",
        per_object: bool = False,
        background: int | None = 0,
    ) -> None:
        self.low = check_per_class("low", low, check_number)
        self.high = check_per_class("high", high, check_number)
        lows, highs = np.broadcast_arrays(*_same_length(self.low, self.high))
        if np.any(lows > highs):
            raise ValueError(f"high must be at least low, got low={low!r} and high={high!r}")
        self.dilate_probability = check_rate("dilate_probability", dilate_probability)
        if metric not in _METRICS:
            raise ValueError(f"metric must be one of {', '.join(_METRICS)}, got {metric!r}")
        self.metric = metric
        self.per_object = check_flag("per_object", per_object)
        self.background = check_background(background)

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        lows = value_per_class("low", self.low, num_classes)
        highs = value_per_class("high", self.high, num_classes)
        shared = rng.random((num_classes, 2))

        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape | None:
            direction, place = (rng.random(2) if self.per_object else shared[obj.label]).tolist()
            radius = lows[obj.label] + (highs[obj.label] - lows[obj.label]) * place
            return _change(
                valid, objects, obj, radius, direction < self.dilate_probability, self.metric
            )

        return reshape


band_noise = as_function(BandNoise)


def _same_length(low: float | list[float], high: float | list[float]):
    if isinstance(low, list) and isinstance(high, list) and len(low) != len(high):
        raise ValueError(f"low lists {len(low)} values and high {len(high)}: one for each class")
    return low, high


def _change(
    valid: np.ndarray,
    objects: MaskObjects,
    obj: MaskObject,
    radius: float,
    dilate: bool,
    metric: str,
) -> Shape | None:
    window = obj.window.grown(math.ceil(radius), valid.shape)
    own = objects.own(obj, window)
    allowed = valid[window.slices]
    if dilate:
        return Shape(window, own | (_nearer(own, radius, metric) & allowed))
    outside = allowed & ~own
    return Shape(window, own & ~_nearer(outside, radius, metric)) if outside.any() else None


def _nearer(targets: np.ndarray, radius: float, metric: str) -> np.ndarray:
    """Which pixels are nearer to a target than the radius; (H, W) bool."""
    if metric == "euclidean":
        return squared_distance(targets) < radius**2
    return cv2.distanceTransform((~targets).view(np.uint8), cv2.DIST_C, 3) < radius
