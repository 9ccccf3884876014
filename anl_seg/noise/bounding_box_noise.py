"""Objects marked by a box instead of their outline."""

from __future__ import annotations

import cv2
import numpy as np

from anl_seg._checks import (
    check_background,
    check_flag,
    check_per_class,
    check_rate,
    value_per_class,
)

from .base import MaskContext, MaskNoise, as_function, register_noise
from .objects import MaskObjects
from .sample_rng import Rng


@register_noise(example=dict(), no_noise=dict(rate=0))
class BoundingBoxNoise(MaskNoise):
    """Replace each object by its bounding box with probability ``rate``.

    An object is an 8-connected region of one class, its box the smallest rectangle of whole rows
    and columns around it; holes are filled. All objects, boxed or not, are painted one over the
    other, those that cover the most valid pixels first (of equals, in the order of the objects: by
    class, then by first pixel in reading order), so that small ones stay visible. Ignored pixels
    inside a box stay ignored.

    Each object has one uniform number u and is boxed if u < rate: with the same generator the
    objects boxed at one rate are boxed at every larger one.

    Args:
        rate: probability in [0, 1], one for all or a list of one per class (the background's is not
            used); of the objects of each class.
        per_object: False puts one box around all objects of a class.
        background: the class that has no objects; None if every class has.

    Random numbers: draws one uniform number per object.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: boxes as labels, the smaller in front: Khoreva et al., CVPR 2017.
    """

    strength_name = "rate"
    # The objects boxed at a larger rate include those at a smaller one.
    nested_in = ("rate",)

    def __init__(
        self,
        rate: float | list[float] = 1.0,
        per_object: bool = True,
        background: int | None = 0,
    ) -> None:
        self.rate = check_per_class("rate", rate, check_rate)
        self.per_object = check_flag("per_object", per_object)
        self.background = check_background(background)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        rates = value_per_class("rate", self.rate, context.num_classes)
        objects = MaskObjects(mask, valid, background=self.background, per_object=self.per_object)
        boxed = rng.random(len(objects)) < np.array(rates)[objects.labels]
        areas = np.where(boxed, _valid_pixels(valid, objects.boxes), objects.areas)
        order = np.argsort(-areas, kind="stable")
        # By the number of the object (0: none), its place in the order of painting, from 1 on.
        place = np.zeros(len(objects) + 1, dtype=np.int32)
        place[order + 1] = np.arange(1, len(objects) + 1)
        painted = place[objects.components]
        box_painted = np.zeros(mask.shape, dtype=np.int32)
        for position in order[boxed[order]].tolist():
            top, bottom, left, right = objects.boxes[position].tolist()
            box_painted[top:bottom, left:right] = place[position + 1]
        # What was painted last is on top.
        np.maximum(painted, box_painted, out=painted)
        label = np.concatenate([[0], objects.labels[order]]).astype(mask.dtype)
        return np.where(valid & (painted > 0), label[painted], mask)


bounding_box_noise = as_function(BoundingBoxNoise)


def _valid_pixels(valid: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) how many valid pixels each of (N, 4) boxes has."""
    top, bottom, left, right = boxes.T
    total = cv2.integral(valid.view(np.uint8), sdepth=cv2.CV_32S)
    return total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
