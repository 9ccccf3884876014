"""Objects drawn turned and off their place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from anl_seg._checks import check_background, check_flag, check_number

from .base import MaskContext, as_function, register_noise
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise, repaint
from .sample_rng import Rng
from .window import Window

# The search stops this close to the wanted XOR (of the object's area; half a pixel where that is
# more), or when it moves the object by less than this many pixels: nearest-neighbor sampling makes
# smaller steps pointless.
_XOR_TOLERANCE = 1e-3
_SHIFT_RESOLUTION = 1 / 16
# From one shift to the next while the search looks for one that is large enough.
_WIDENING = 1.25


@register_noise(example=dict(beta=0.5), no_noise=dict(beta=0))
class AffineNoise(ShapeNoise):
    """Turn and shift each object until it differs from itself by a share of its area.

    An object is an 8-connected region of one class. It is turned about its centroid by an angle
    drawn uniformly from [-max_angle, max_angle], then shifted in a direction drawn uniformly from
    the full circle until |old XOR new| = beta |old|, as near as whole pixels allow. If turning
    alone exceeds that, the angle is reduced and nothing is shifted. What falls off the image or on
    ignored pixels is lost and counts as absent from the new object. Vacated pixels take the label
    of the nearest valid pixel outside the object, from the clean mask; an object that covers every
    valid pixel has none and stays as it is. Every object is moved in the clean mask; first all
    vacated pixels are painted, then the moved objects in random order, so that where two overlap no
    class is favored.

    Args:
        beta: |old XOR new| in [0, 2); of the object's clean area. 2 would mean no overlap at all.
        max_angle: largest turn in degrees, in [0, 180].
        background: the class that has no objects; None if every class has.
        per_object: whether each region is an object of its own; False takes all pixels of a class
            as one object.

    Random numbers: draws an angle and a direction per object and the order of painting.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Gonzalez-Jimenez et al., MICCAI 2023; Gao et al., 2022.
    """

    strength_name = "beta"
    # A class of one region is changed alike with and without it.
    nested_in = ("per_object",)

    def __init__(
        self,
        beta: float,
        max_angle: float = 30.0,
        background: int | None = 0,
        per_object: bool = True,
    ) -> None:
        self.beta = check_number("beta", beta, high=2, below=True)
        self.max_angle = check_number("max_angle", max_angle, high=180)
        self.background = check_background(background)
        self.per_object = check_flag("per_object", per_object)

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape | None:
            turn, direction = rng.random(2).tolist()
            if self.beta == 0:
                return None
            mover = _Mover(valid, objects, obj, direction * 2 * math.pi)
            pose = _search(mover, (turn * 2 - 1) * self.max_angle, self.beta * obj.area)
            return pose.shape

        return reshape

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        objects = MaskObjects(mask, valid, background=self.background, per_object=self.per_object)
        count = len(objects)
        angles = (rng.random(count) * 2 - 1) * self.max_angle
        directions = rng.random(count) * 2 * math.pi
        order = rng.permutation(count)
        if self.beta == 0:
            return mask.copy()
        poses = [
            _search(_Mover(valid, objects, obj, direction), angle, self.beta * obj.area)
            for obj, angle, direction in zip(objects, angles.tolist(), directions.tolist())
        ]
        return repaint(mask, valid, objects, [pose.shape for pose in poses], order.tolist())


affine_noise = as_function(AffineNoise)


class _Pose(NamedTuple):
    """A moved object, and in how many pixels it differs from the old one."""

    shape: Shape
    xor: int


class _Mover:
    """Puts one object in a pose given by an angle in degrees and a shift in pixels.

    Args:
        direction: of the shift, in radians.
    """

    def __init__(
        self, valid: np.ndarray, objects: MaskObjects, obj: MaskObject, direction: float
    ) -> None:
        self.valid, self.objects, self.obj = valid, objects, obj
        self.crop = objects.own(obj, obj.window).view(np.uint8)
        self.step = (math.cos(direction), math.sin(direction))
        x, y = objects.center(obj)
        self.center = (x - obj.window.left, y - obj.window.top)
        self.diagonal = math.hypot(*obj.window.shape)
        self.turned = _Turned(self.center, 0.0, obj.window.shape)

    def still(self) -> _Pose:
        """The object where it is."""
        return _Pose(Shape(self.obj.window, self.crop.view(bool)), 0)

    def pose(self, angle: float, shift: float = 0.0) -> _Pose:
        """The object turned about its centroid, then shifted in its direction."""
        if angle != self.turned.angle:
            self.turned = _Turned(self.center, angle, self.obj.window.shape)
        turned, box, area = self.turned, self.obj.window, self.obj.area
        right, down = turned.right + shift * self.step[0], turned.down + shift * self.step[1]
        window = turned.landing(box, right, down, self.valid.shape)
        height, width = window.shape
        if not height or not width:
            return _Pose(Shape(window, np.zeros(window.shape, dtype=bool)), area)
        turned.matrix[0, 2] = right + (box.left - window.left)
        turned.matrix[1, 2] = down + (box.top - window.top)
        moved = cv2.warpAffine(self.crop, turned.matrix, (width, height), flags=cv2.INTER_NEAREST)
        pixels = moved.view(bool)
        slices = window.slices
        pixels &= self.valid[slices]
        shared = np.count_nonzero(pixels & (self.objects.components[slices] == self.obj.number))
        return _Pose(Shape(window, pixels), area + np.count_nonzero(pixels) - 2 * shared)


class _Turned:
    """A turn of a window about a point in it: what all shifts of the same turn share.

    Args:
        center: x and y in the window.
        angle: in degrees.
        shape: of the window.

    Attributes:
        matrix: (2, 3) of the turn and, in its last column, of what it is to be shifted by.
        right, down: the shift of the turn alone.
    """

    def __init__(self, center: tuple[float, float], angle: float, shape: tuple[int, int]) -> None:
        self.angle = angle
        self.matrix = cv2.getRotationMatrix2D(center, angle, 1.0)
        (xx, xy, self.right), (yx, yy, self.down) = self.matrix.tolist()
        height, width = shape
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        self.middle = xx * middle_x + xy * middle_y, yx * middle_x + yy * middle_y
        self.half_width = (abs(xx) * width + abs(xy) * height) / 2
        self.half_height = (abs(yx) * width + abs(yy) * height) / 2

    def landing(
        self, box: Window, right: float, down: float, image_shape: tuple[int, int]
    ) -> Window:
        """The bounding box of the turned and shifted ``box``, cut at the image's edges."""
        x, y = self.middle[0] + right + box.left, self.middle[1] + down + box.top
        rows, columns = image_shape
        return Window(
            min(max(math.floor(y - self.half_height), 0), rows),
            min(max(math.ceil(y + self.half_height) + 1, 0), rows),
            min(max(math.floor(x - self.half_width), 0), columns),
            min(max(math.ceil(x + self.half_width) + 1, 0), columns),
        )


def _search(mover: _Mover, angle: float, target: float) -> _Pose:
    """The pose whose XOR is nearest to ``target`` pixels, of all that the search tried."""
    area = mover.obj.area
    tolerance = max(0.5, _XOR_TOLERANCE * area)
    turned = mover.pose(angle)
    if turned.xor > target:
        # Turning alone is too much: between no turn (XOR 0) and this one.
        resolution = math.degrees(_SHIFT_RESOLUTION / mover.diagonal)
        return _bisect(mover.pose, mover.still(), 0.0, angle, target, tolerance, resolution)
    # Widen the shift until the XOR is large enough or no pixel overlaps any more. The first guess
    # is exact for a square that moves along one of its sides. The steps are small because the XOR
    # falls again where the object leaves the image: a large one could step over all that suffice.
    low, high, best = 0.0, max(1.0, target / math.sqrt(area) / 2), turned
    while True:
        probe = mover.pose(angle, high)
        best = _nearer(best, probe, target)
        if probe.xor >= target:
            break
        if high > mover.diagonal:
            return best
        low, high = high, high * _WIDENING
    return _bisect(
        lambda shift: mover.pose(angle, shift),
        best,
        low,
        high,
        target,
        tolerance,
        _SHIFT_RESOLUTION,
    )


def _bisect(
    pose: Callable[[float], _Pose],
    best: _Pose,
    low: float,
    high: float,
    target: float,
    tolerance: float,
    resolution: float,
) -> _Pose:
    """Bisect between ``low`` (XOR below the target) and ``high``; return the best pose tried."""
    while abs(high - low) > resolution and abs(best.xor - target) > tolerance:
        middle = (low + high) / 2
        probe = pose(middle)
        best = _nearer(best, probe, target)
        low, high = (middle, high) if probe.xor < target else (low, middle)
    return best


def _nearer(best: _Pose, probe: _Pose, target: float) -> _Pose:
    return probe if abs(probe.xor - target) < abs(best.xor - target) else best
