"""Objects marked by a box instead of their outline."""

from __future__ import annotations

import cv2
import numpy as np

from anl_seg._checks import (
    check_background,
    check_background_in_range,
    check_flag,
    check_mask,
    check_per_class,
    check_rate,
    check_rng,
    value_per_class,
)

from .base import MaskNoise
from .objects import MaskObjects


def bounding_box_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    num_classes: int,
    rate: float | list[float] = 1.0,
    per_object: bool = True,
    background: int | None = 0,
    ignore_index: int = 255,
) -> np.ndarray:
    """Replace each object by its bounding box with probability ``rate``.

    An object is an 8-connected region of one class, its box the smallest rectangle of whole rows
    and columns around it; holes are filled. All objects, boxed or not, are painted one over the
    other, those that cover the most valid pixels first (of equals, in the order of the objects: by
    class, then by first pixel in reading order), so that small ones stay visible. Ignored pixels
    inside a box stay ignored.

    Each object has one uniform number u and is boxed if u < rate: with the same generator the
    objects boxed at one rate are boxed at every larger one.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws one uniform number per object.
        num_classes: number of classes, at least 2.
        rate: probability in [0, 1], one for all or a list of one per class (the background's is not
            used); of the objects of each class.
        per_object: False puts one box around all objects of a class.
        background: the class that has no objects; None if every class has.
        ignore_index: label of the pixels to leave alone.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: boxes as labels, the smaller in front: Khoreva et al., CVPR 2017.
    """
    rate = check_per_class("rate", rate, check_rate)
    per_object = check_flag("per_object", per_object)
    background = check_background(background)
    check_rng(rng)
    valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
    check_background_in_range(background, num_classes)
    rates = value_per_class("rate", rate, num_classes)
    objects = MaskObjects(mask, valid, background=background, per_object=per_object)
    boxed = rng.random(len(objects)) < np.array(rates)[objects.labels]
    areas = np.where(boxed, _valid_pixels(valid, objects.boxes), objects.areas)
    order = np.argsort(-areas, kind="stable")
    # By the index of the object (0: none), its place in the order of painting, from 1 on.
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


def _valid_pixels(valid: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) how many valid pixels each of (N, 4) boxes has."""
    top, bottom, left, right = boxes.T
    total = cv2.integral(valid.view(np.uint8), sdepth=cv2.CV_32S)
    return total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]


class BoundingBoxNoise(MaskNoise):
    """:func:`bounding_box_noise` with fixed parameters; nested in rate.

    Args:
        rate: probability in [0, 1], one for all or a list of one per class; of the objects of each
            class.
        per_object: False puts one box around all objects of a class.
        background: the class that has no objects; None if every class has.
    """

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

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        return bounding_box_noise(
            mask,
            rng,
            num_classes=num_classes,
            rate=self.rate,
            per_object=self.per_object,
            background=self.background,
            ignore_index=ignore_index,
        )
