"""How far each pixel lies from the nearest pixel of another class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The rows and columns that hold all True pixels and ``margin`` more on each side."""
    spans = []
    for axis in (1, 0):
        found = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(found[0] - margin, 0), found[-1] + margin + 1))
    return spans[0], spans[1]


def boundary_distance_bins(
    mask: np.ndarray, edges: Sequence[float] = DISTANCE_EDGES, ignore_index: int = 255
) -> np.ndarray:
    """The bin that each pixel's distance to the nearest pixel of another class falls into.

    The distance is Euclidean, between pixel centres, in pixels of ``mask``: 1 beside a boundary. Ignored
    pixels have no class, so distances are measured across them. Without another class in the image the
    distance is infinite.

    Args:
        mask: (H, W) integers, class or ``ignore_index``.
        edges: finite upper ends e1 < e2 < ... above 1. Bins: [1, e1), [e1, e2), ..., [last, infinity).
        ignore_index: label of pixels without a class.

    Returns:
        (H, W) int64 in [0, len(edges)]; 0 at ignored pixels, where it means nothing.
    """
    edges = check_edges(edges)
    squares = np.square(edges)
    bins = np.zeros(mask.shape, dtype=np.int64)
    valid = mask != ignore_index
    for label in np.unique(mask[valid]):
        own = mask == label
        # Whatever lies further out than the last edge ends in the last bin anyway.
        window = _window(own, int(np.ceil(edges[-1])))
        others = valid[window] & ~own[window]
        if others.any():
            found = np.searchsorted(squares, squared_distance(others), side="right")
        else:
            found = np.full(others.shape, len(edges))
        bins[window][own[window]] = found[own[window]]
    return bins
