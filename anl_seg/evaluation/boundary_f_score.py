"""Boundary F-score of one image (pure numpy and OpenCV)."""

from __future__ import annotations

import numpy as np

from anl_seg.noise.distance import squared_distance


def boundary_pixels(mask: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Pixels that have one of another class above, below, left or right of them.

    A class ends neither at the edge of the image nor at ignored pixels.

    Args:
        mask: (H, W) integers, class or ``ignore_index``.
        ignore_index: label of pixels without a class.

    Returns:
        (H, W) bool.
    """
    valid = mask != ignore_index
    found = np.zeros(mask.shape, dtype=bool)
    for upper, lower in (
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        differ = (mask[upper] != mask[lower]) & valid[upper] & valid[lower]
        found[upper] |= differ
        found[lower] |= differ
    return found


def _share_near(these: np.ndarray, those: np.ndarray, tolerance: float) -> float:
    """Share of pixels (N, 2) within ``tolerance`` of others (M, 2); neither is empty."""
    first = np.minimum(these.min(axis=0), those.min(axis=0))
    last = np.maximum(these.max(axis=0), those.max(axis=0))
    # Only the part of the image that holds them all.
    targets = np.zeros(last - first + 1, dtype=bool)
    targets[tuple((those - first).T)] = True
    squares = squared_distance(targets)[tuple((these - first).T)]
    return float((squares <= tolerance**2).mean())


def _by_class(mask: np.ndarray, ignore_index: int) -> dict[int, np.ndarray]:
    """Class -> its boundary pixels (N, 2)."""
    places = np.argwhere(boundary_pixels(mask, ignore_index))
    labels = mask[tuple(places.T)]
    return {int(k): places[labels == k] for k in np.unique(labels)}


def boundary_f_scores(
    pred: np.ndarray, label: np.ndarray, num_classes: int, tolerance: float, ignore_index: int = 255
) -> np.ndarray:
    """F-score of each class's boundary in one image.

    With B the predicted and G the labeled pixels of a class that are :func:`boundary_pixels` (the
    prediction taken as ignored where the label is), precision is the share of B within ``tolerance`` of
    G, recall the share of G within ``tolerance`` of B, and F = 2 precision recall / (precision +
    recall). Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013;
    Perazzi et al., CVPR 2016, for objects in video. Distances are Euclidean between pixel centers.

    Args:
        pred: (H, W) integers in [0, C).
        label: (H, W) integers in [0, C) or ``ignore_index``.
        num_classes: C.
        tolerance: in pixels, >= 0.
        ignore_index: label of pixels without a class.

    Returns:
        (C,) float64 in [0, 1]: 0 where one of B and G is empty, nan where both are.
    """
    pred = np.where(label == ignore_index, ignore_index, pred)
    found, wanted = (_by_class(mask, ignore_index) for mask in (pred, label))
    scores = np.full(num_classes, np.nan)
    for k in found.keys() | wanted.keys():
        scores[k] = 0.0
        if k in found and k in wanted:
            precision = _share_near(found[k], wanted[k], tolerance)
            recall = _share_near(wanted[k], found[k], tolerance)
            if precision + recall:
                scores[k] = 2 * precision * recall / (precision + recall)
    return scores
