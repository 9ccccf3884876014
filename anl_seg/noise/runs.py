"""Runs of equal labels in the rows of a mask: far fewer than pixels, and one pass finds all objects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Runs whose neighbors are looked for at once: bounds the memory where each pixel is a run.
_BLOCK = 2**20


class Runs(NamedTuple):
    """The runs that make up a mask, in reading order.

    Attributes:
        label: (N,) the label of each, in the mask's dtype.
        start, stop: (N,) its pixels in the flattened mask, [start, stop), int64.
    """

    label: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def find_runs(mask: np.ndarray) -> Runs:
    """The runs of a mask (H, W) of integers."""
    begins = np.ones(mask.shape, dtype=bool)
    np.not_equal(mask[:, 1:], mask[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    return Runs(mask[begins], start, np.append(start, mask.size)[1:])


def regions_of_runs(runs: Runs, wanted: np.ndarray, width: int) -> np.ndarray:
    """The 8-connected region of each run.

    Args:
        wanted: (N,) bool, False for runs that belong to no region.
        width: of the mask.

    Returns:
        (N,) int32 numbers from 0 on; those of runs that are not wanted mean nothing.
    """
    count = len(runs.start)
    upper, lower = [], []
    for first in range(0, count, _BLOCK):
        block = first + np.flatnonzero(wanted[first : first + _BLOCK])
        pairs = _touching_below(runs, wanted, block, width)
        upper.append(pairs[0])
        lower.append(pairs[1])
    if not upper:
        return np.zeros(0, dtype=np.int32)
    edges = np.concatenate(upper), np.concatenate(lower)
    graph = coo_array((np.ones(len(edges[0]), dtype=bool), edges), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _touching_below(
    runs: Runs, wanted: np.ndarray, block: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The runs of ``block`` and those of the next row with the same label that touch them, as pairs."""
    row = runs.start[block] // width
    below = (row + 1) * width < runs.stop[-1]
    block, row = block[below], row[below]
    # The pixels below a run and beside those, cut at the ends of the row.
    left = np.maximum(runs.start[block] - 1, row * width) + width
    right = np.minimum(runs.stop[block], (row + 1) * width - 1) + width
    first = np.searchsorted(runs.start, left, side="right") - 1
    owner, touched = ranges(first, np.searchsorted(runs.start, right, side="right"))
    owner = block[owner]
    same = (runs.label[owner] == runs.label[touched]) & wanted[touched]
    return owner[same].astype(np.int32), touched[same].astype(np.int32)


def ranges(first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All whole numbers of each range [first, stop), and the number of the range of each before them."""
    count = np.maximum(stop - first, 0)
    owner = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return owner, np.arange(len(owner)) - before[owner] + first[owner]


def batches(sizes: np.ndarray, limit: int) -> list[slice]:
    """Slices of a list of things of these sizes: about ``limit`` each, or one larger thing."""
    parts = (np.cumsum(sizes) - sizes) // limit
    first = np.flatnonzero(np.diff(parts, prepend=-1)).tolist()
    return [slice(*ends) for ends in zip(first, [*first[1:], len(sizes)])]
