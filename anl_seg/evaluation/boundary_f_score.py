"""Boundary F-score of one image (pure numpy and OpenCV)."""

from __future__ import annotations

import numpy as np

from anl_seg.noise.distance import squared_distance


def class_boundary(mask: np.ndarray, label: int, ignore_index: int = 255) -> np.ndarray:
    """Pixels of a class that have one of another class above, below, left or right of them.

    A class ends neither at the edge of the image nor at ignored pixels.

    Args:
        mask: (H, W) integers, class or ``ignore_index``.
        label: the class.
        ignore_index: label of pixels without a class.

    Returns:
        (H, W) bool.
    """
    own = mask == label
    others = ~own & (mask != ignore_index)
    beside = np.zeros_like(own)
    beside[1:] |= others[:-1]
    beside[:-1] |= others[1:]
    beside[:, 1:] |= others[:, :-1]
    beside[:, :-1] |= others[:, 1:]
    return own & beside


def _share_near(boundary: np.ndarray, other: np.ndarray, tolerance: float) -> float:
    """Share of the pixels of ``boundary`` within ``tolerance`` of ``other``; neither is empty."""
    return float((squared_distance(other)[boundary] <= tolerance**2).mean())


def boundary_f_scores(
    pred: np.ndarray, label: np.ndarray, num_classes: int, tolerance: float, ignore_index: int = 255
) -> np.ndarray:
    """F-score of each class's boundary in one image.

    With B the predicted and G the labelled boundary pixels of a class (:func:`class_boundary`, the
    prediction taken as ignored where the label is), precision is the share of B within ``tolerance`` of
    G, recall the share of G within ``tolerance`` of B, and F = 2 precision recall / (precision +
    recall). Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013;
    Perazzi et al., CVPR 2016, for objects in video. Distances are Euclidean between pixel centres.

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
    scores = np.full(num_classes, np.nan)
    for k in np.union1d(np.unique(pred), np.unique(label)):
        if k == ignore_index:
            continue
        found = class_boundary(pred, k, ignore_index)
        wanted = class_boundary(label, k, ignore_index)
        if not (found.any() or wanted.any()):
            continue
        scores[k] = 0.0
        if found.any() and wanted.any():
            precision = _share_near(found, wanted, tolerance)
            recall = _share_near(wanted, found, tolerance)
            if precision + recall:
                scores[k] = 2 * precision * recall / (precision + recall)
    return scores
