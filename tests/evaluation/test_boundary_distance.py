"""boundary_distance_bins against the nearest of all pairs of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from anl_seg.evaluation import boundary_distance_bins
from anl_seg.evaluation.boundary_distance import bin_range


def bins_by_pairs(mask, edges, ignore_index):
    bins = np.zeros(mask.shape, dtype=int)
    pixels = [(y, x) for y, x in np.ndindex(mask.shape) if mask[y, x] != ignore_index]
    for y, x in pixels:
        squares = [(y - v) ** 2 + (x - u) ** 2 for v, u in pixels if mask[v, u] != mask[y, x]]
        distance = min(squares, default=np.inf) ** 0.5
        bins[y, x] = sum(distance >= edge for edge in edges)
    return bins


def blobs(seed, size=(23, 31), ignored=0.05):
    """Large areas of four classes, some pixels ignored."""
    rng = np.random.RandomState(seed)
    mask = np.zeros(size, dtype=np.uint8)
    for label in (1, 2, 3, 1):
        y, x = rng.randint(0, size[0]), rng.randint(0, size[1])
        rows, columns = np.ogrid[: size[0], : size[1]]
        mask[(rows - y) ** 2 + (columns - x) ** 2 < rng.randint(4, 60)] = label
    mask[rng.rand(*size) < ignored] = 255
    return mask


@pytest.mark.parametrize("edges", [(2, 4, 8, 16), (1.5,), (1.4142, 3, 5.0)])
@pytest.mark.parametrize("seed", range(4))
def test_equals_all_pairs(seed, edges):
    mask = blobs(seed)
    kept = mask.copy()
    bins = boundary_distance_bins(mask, edges)
    valid = mask != 255
    assert np.array_equal(bins[valid], bins_by_pairs(mask, edges, 255)[valid])
    assert len(np.unique(bins[valid])) > 1
    assert np.array_equal(mask, kept)


def test_distances_go_across_ignored_pixels():
    mask = np.array([[0, 0, 255, 255, 1, 1]])
    assert boundary_distance_bins(mask, (3, 4)).tolist() == [[2, 1, 0, 0, 1, 2]]


def test_an_edge_belongs_to_the_bin_it_begins():
    mask = np.array([[1, 0, 0, 0, 0, 0]])
    assert boundary_distance_bins(mask, (2, 4)).tolist() == [[0, 0, 1, 1, 2, 2]]
    assert [bin_range(i, (2, 4)) for i in range(3)] == [(1, 2), (2, 4), (4, None)]


@pytest.mark.parametrize("label", [0, 2, 255])
def test_one_class_or_none(label):
    mask = np.full((5, 6), label, dtype=np.uint8)
    assert np.unique(boundary_distance_bins(mask)).tolist() == [0 if label == 255 else 4]


def test_other_ignore_index_and_wide_labels():
    mask = blobs(1).astype(np.int64)
    mask[mask == 3] = 300
    mask[mask == 255] = -1
    expected = bins_by_pairs(mask, (2, 4), -1)
    valid = mask != -1
    found = boundary_distance_bins(mask, (2, 4), ignore_index=-1)
    assert np.array_equal(found[valid], expected[valid])


@pytest.mark.parametrize("edges", [(), (1,), (3, 3), (5, 2), (2, float("nan"))])
def test_bad_edges(edges):
    with pytest.raises(ValueError, match="finite, above 1 and increasing"):
        boundary_distance_bins(np.zeros((2, 2)), edges)
