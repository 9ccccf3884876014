"""Distances in pixels, and the choice of the nearest pixels."""

from __future__ import annotations

import cv2
import numpy as np

# In images of at most so many pixels a side, squares of float32 are right to a half, and faster.
_SQUARED_IN_FLOAT32 = 700


def squared_distance(targets: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance from each pixel to the nearest pixel that is True.

    Args:
        targets: (H, W) bool with at least one True; without one there is no distance to measure.

    Returns:
        (H, W) int32. The squares are integers, so rounding OpenCV's float32 makes equal distances
        compare equal (up to 1400 pixels, where float32 spaces squares by less than a half).

    Raises:
        ValueError: no pixel is True.
    """
    if not targets.any():
        raise ValueError("the distance to an empty set of pixels is not defined")
    zeros_at_targets = (~targets).view(np.uint8)
    distance = cv2.distanceTransform(zeros_at_targets, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    if max(targets.shape) > _SQUARED_IN_FLOAT32:
        distance = distance.astype(np.float64)
    return np.rint(np.square(distance)).astype(np.int32)


def nth_smallest(values: np.ndarray, count: int) -> int:
    """The ``count``-th smallest of a 1-D array, counted from 1."""
    return int(np.partition(values, count - 1)[count - 1])


def choose_smallest(
    values: np.ndarray,
    count: int,
    limit: int,
    rng: np.random.RandomState | np.random.Generator,
) -> np.ndarray:
    """Choose the ``count`` smallest values; among those equal to the last one, at random.

    Args:
        values: 1-D.
        count: 1 to len(values).
        limit: the last of them, ``nth_smallest(values, count)``.
        rng: draws one permutation of the tied values, if there is a choice.

    Returns:
        Bool of the shape of ``values`` with exactly ``count`` True.
    """
    chosen = values < limit
    tied = np.flatnonzero(values == limit)
    missing = count - int(chosen.sum())
    if missing < len(tied):
        tied = tied[rng.permutation(len(tied))[:missing]]
    chosen[tied] = True
    return chosen
