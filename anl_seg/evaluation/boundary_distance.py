"""How far each pixel lies from the nearest pixel of another class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from anl_seg.noise.distance import squared_distance

#: Upper ends of the bins, in pixels; the last bin has none.
DISTANCE_EDGES = (2.0, 4.0, 8.0, 16.0)


def check_edges(edges: Sequence[float]) -> tuple[float, ...]:
    """``edges`` as a tuple of floats, if they are finite, above 1 and increase.

    Raises:
        ValueError: they are not. Below 1 there is no distance, so a first bin that ends there is empty.
    """
    values = tuple(float(edge) for edge in edges)
    increasing = all(low < high for low, high in zip(values, values[1:]))
    if not values or not increasing or not np.isfinite(values).all() or values[0] <= 1:
        raise ValueError(f"distance edges must be finite, above 1 and increasing, got {edges!r}")
    return values


def bin_range(index: int, edges: Sequence[float]) -> tuple[float, float | None]:
    """The distances ``low <= d < high`` of one bin; the last one's ``high`` is None, for no end."""
    return (1.0, *edges)[index], (*edges, None)[index]


def _widened(window: tuple[slice, slice], margin: int) -> tuple[slice, slice]:
    """Rows and columns with ``margin`` more on each side, as far as there are any."""
    rows, columns = (slice(max(s.start - margin, 0), s.stop + margin) for s in window)
    return rows, columns


def boundary_distance_bins(
    mask: np.ndarray, edges: Sequence[float] = DISTANCE_EDGES, ignore_index: int = 255
) -> np.ndarray:
    """The bin that each pixel's distance to the nearest pixel of another class falls into.

    The distance is Euclidean, between pixel centers, in pixels of ``mask``: 1 beside a boundary. Ignored
    pixels have no class, so distances are measured across them. Without another class in the image the
    distance is infinite.

    Args:
        mask: (H, W) integers, class (>= 0) or ``ignore_index``.
        edges: finite upper ends e1 < e2 < ... above 1. Bins: [1, e1), [e1, e2), ..., [last, infinity).
        ignore_index: label of pixels without a class.

    Returns:
        (H, W) int64 in [0, len(edges)]; 0 at ignored pixels, where it means nothing.
    """
    edges = check_edges(edges)
    squares = np.square(edges)
    bins = np.zeros(mask.shape, dtype=np.int64)
    valid = mask != ignore_index
    # From 1, as 0 is none to find_objects.
    labels = np.where(valid, mask.astype(np.int32) + 1, 0)
    for label, own_window in enumerate(ndimage.find_objects(labels), start=1):
        if own_window is None:
            continue
        # Whatever lies further out than the last edge ends in the last bin anyway.
        window = _widened(own_window, int(np.ceil(edges[-1])))
        own = labels[window] == label
        others = valid[window] & ~own
        if others.any():
            distances = squared_distance(others)[own]
            bins[window][own] = np.searchsorted(squares, distances, side="right")
        else:
            bins[window][own] = len(edges)
    return bins
