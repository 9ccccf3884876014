"""Distances in pixels, and the choice of the nearest pixels."""

from __future__ import annotations

import cv2
import numpy as np

from .sample_rng import Rng

# In images of at most so many pixels a side, squares of float32 are right to a half, and faster.
_SQUARED_IN_FLOAT32 = 700
# Pixels that are turned from distances to squares at once.
_BLOCK = 2**16

# In images of so many pixels, growing by a few small discs is faster than a distance transform.
_LARGE = 2**18
_DISCS_REACH = 4
# The pixels wanted, to those next to the targets: beyond, larger discs would be needed.
_FAR = 4


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
    exact = np.float64 if max(targets.shape) > _SQUARED_IN_FLOAT32 else np.float32
    squared = np.empty(distance.shape, dtype=np.int32)
    # In pieces, so that nothing of the image's size is held in float64.
    flat, result = distance.reshape(-1), squared.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        piece = flat[start : start + _BLOCK].astype(exact)
        result[start : start + _BLOCK] = np.rint(np.square(piece, out=piece), out=piece)
    return squared


def nearest_distances(targets: np.ndarray, among: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """Squared distances to the targets, as far as they matter to choose the nearest pixels.

    Args:
        targets: (H, W) bool with at least one True.
        among: (H, W) bool, the pixels to choose from, none of them a target.
        count: how many to choose, 1 to the number of True in ``among``.

    Returns:
        1-D squared distances of the pixels ``among``, in reading order, and the ``count``-th
        smallest of them. Those that are larger than that may be given as any larger number.
    """
    level = _by_discs(targets, among, count) if among.size >= _LARGE else None
    values = (squared_distance(targets) if level is None else level)[among]
    return values, nth_smallest(values, count)


def _by_discs(targets: np.ndarray, among: np.ndarray, count: int) -> np.ndarray | None:
    """(H, W) uint8, the squared distances of the ``count`` nearest or more; 255 at all others.

    None if they are not as near as the largest disc reaches.
    """
    level = np.full(among.shape, 255, dtype=np.uint8)
    missing = count
    offsets = np.arange(-_DISCS_REACH, _DISCS_REACH + 1)
    squares = np.add.outer(offsets**2, offsets**2)
    for square in np.unique(squares[(squares > 0) & (squares <= _DISCS_REACH**2)]).tolist():
        reached = cv2.dilate(targets.view(np.uint8), (squares <= square).astype(np.uint8))
        reached = reached.view(bool) & among & (level == 255)
        np.copyto(level, square, where=reached)
        found = np.count_nonzero(reached)
        missing -= found
        if missing <= 0:
            return level
        if square == 1 and missing > _FAR * found:
            return None
    return None


def nth_smallest(values: np.ndarray, count: int) -> int:
    """The ``count``-th smallest of a 1-D array, counted from 1."""
    return int(np.partition(values, count - 1)[count - 1])


def choose_smallest(
    values: np.ndarray,
    count: int,
    limit: int,
    rng: Rng,
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
