"""Outlines that wander: a Markov process that adds and removes pixels along the boundary."""

from __future__ import annotations

import cv2
import numpy as np

from anl_seg._checks import (
    check_background,
    check_flag,
    check_integer,
    check_per_class,
    check_rate,
    value_per_class,
)

from .base import as_function, register_noise
from .boundary_walk import walk
from .objects import MaskObject, MaskObjects
from .reshape import Reshape, Shape, ShapeNoise
from .sample_rng import Rng
from .window import Window, bounding_box

# The published process ends with this blur of the 0/1 mask and a threshold at one half.
_BLUR_SIZE, _BLUR_SIGMA = (5, 5), 2.0
_BLUR_REACH = 2
# Far beyond what leaves anything of an outline; the published ones are 100 to 200.
_MAX_STEPS = 10**6


@register_noise(
    example=dict(steps=120, theta1=0.6, theta2=0.05, theta3=0.1),
    no_noise=dict(steps=0, theta1=0.5, theta2=0.5, theta3=0),
)
class MarkovBoundaryNoise(ShapeNoise):
    """Let the outline of each class wander, flip pixels and smooth the result.

    In each of ``steps`` steps the class grows with probability ``theta1`` and shrinks otherwise. To
    grow, each valid pixel of the outer ring (outside, with one of its 4 neighbors inside) joins
    with probability ``theta2``; to shrink, each pixel of the inner ring (inside, with a valid
    4-neighbor outside) leaves with it. Then every valid pixel of the image changes sides with
    probability ``theta3``, and the result is blurred by a Gaussian of 5 x 5 pixels and sigma 2
    (among valid pixels) and cut at one half, which removes most of the flipped pixels again and
    leaves a rough outline and small specks. The edge of the image is no outline.

    Every class is changed from the clean mask, as if it had a mask of its own. Pixels that it leaves
    take the label of the nearest valid pixel outside it; then the classes are painted in random
    order. Where no parameter calls for a change (no steps or theta2 = 0, and theta3 = 0), nothing is
    smoothed either.

    Args:
        steps: number of steps, at least 0.
        theta1: probability that a step grows, in [0, 1]; above 0.5 the class gets larger.
        theta2: probability of a ring pixel to change in a step, in [0, 1].
        theta3: probability of a pixel to flip, in [0, 1]; of all valid pixels, for each class.
            ``steps`` and the thetas may be lists of one value per class (the background's is not
            used).
        per_object: whether each 8-connected region takes its own steps and flips (the latter no
            more than 2 pixels beyond it), instead of a class as a whole.
        background: the class without an outline of its own; None if every class has one.

    Random numbers: draws the directions of the steps, one number per ring pixel and step, one per
    pixel for the flips, and the order of painting.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Yao et al., "Learning to Segment from Noisy Annotations", ICLR 2023, definition 1.
    """

    strength_name = "steps"

    def __init__(
        self,
        steps: int | list[int],
        theta1: float | list[float],
        theta2: float | list[float],
        theta3: float | list[float],
        per_object: bool = False,
        background: int | None = 0,
    ) -> None:
        self.steps = check_per_class("steps", steps, _check_steps)
        self.theta1 = check_per_class("theta1", theta1, check_rate)
        self.theta2 = check_per_class("theta2", theta2, check_rate)
        self.theta3 = check_per_class("theta3", theta3, check_rate)
        self.per_object = check_flag("per_object", per_object)
        self.background = check_background(background)

    @property
    def whole_classes(self) -> bool:
        """Whether all pixels of a class wander as one object."""
        return not self.per_object

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        values = [
            value_per_class(name, getattr(self, name), num_classes)
            for name in ("steps", "theta1", "theta2", "theta3")
        ]

        def reshape(objects: MaskObjects, obj: MaskObject, valid: np.ndarray) -> Shape | None:
            steps, theta1, theta2, theta3 = (value[obj.label] for value in values)
            if (steps == 0 or theta2 == 0) and theta3 == 0:
                return None
            grows = (rng.random(steps) < theta1).tolist()
            if self.per_object:
                room = obj.window.grown(sum(grows) + 1 + _BLUR_REACH, valid.shape)
            else:
                room = Window(0, valid.shape[0], 0, valid.shape[1])
            allowed = valid[room.slices]
            pixels, ever = walk(objects.own(obj, room), allowed, grows, theta2, rng)
            if self.per_object:
                reached = bounding_box(ever).shifted(room.top, room.left)
                window = reached.grown(1 + _BLUR_REACH, valid.shape)
                pixels, allowed, room = pixels[window.inside(room)], valid[window.slices], window
            return Shape(room, _flip_and_smooth(pixels, allowed, theta3, rng))

        return reshape


markov_boundary_noise = as_function(MarkovBoundaryNoise)


def _check_steps(name: str, value: object) -> int:
    steps = check_integer(name, value, low=0)
    if steps > _MAX_STEPS:
        raise ValueError(f"{name} must be at most {_MAX_STEPS}, got {value!r}")
    return steps


def _flip_and_smooth(
    inside: np.ndarray,
    allowed: np.ndarray,
    theta3: float,
    rng: Rng,
) -> np.ndarray:
    """Bool, the pixels inside after flips and smoothing.

    Args:
        inside: uint8, 1 at the pixels inside.
        allowed: bool of the same shape, the valid pixels.
    """
    if theta3 > 0:
        inside = inside ^ ((rng.random(inside.shape) < theta3) & allowed)
    # On bytes OpenCV's blur is integer arithmetic: the same bits on every machine.
    blurred = cv2.GaussianBlur(inside * np.uint8(255), _BLUR_SIZE, _BLUR_SIGMA)
    total = cv2.GaussianBlur(allowed * np.uint8(255), _BLUR_SIZE, _BLUR_SIGMA)
    return (blurred > total // 2) & allowed
