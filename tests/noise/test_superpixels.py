from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from anl_seg.noise.superpixels import superpixels


def image_of(values):
    """(H, W, 3) gray uint8."""
    return np.repeat(np.asarray(values)[..., None], 3, axis=2).astype(np.uint8)


def board(size):
    """(size, size) int of zeros and ones in turn."""
    return np.indices((size, size)).sum(axis=0) % 2


def border_length(segments):
    """Pairs of neighboring pixels in two superpixels."""
    across = (segments[:, 1:] != segments[:, :-1]).sum()
    return int(across + (segments[1:] != segments[:-1]).sum())


@pytest.fixture(scope="module")
def wedges():
    """(120, 160) int, four areas with slanting borders."""
    y, x = np.indices((120, 160))
    return 2 * (3 * y + x > 220) + (x - 2 * y > -60)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    n_segments=st.integers(1, 200),
    levels=st.sampled_from([1, 2, 40, 256]),
    compactness=st.sampled_from([0, 2, 255]),
    seed=st.integers(0, 99),
)
def test_regions_are_numbered_connected_and_cover_all(
    height, width, n_segments, levels, compactness, seed
):
    random = np.random.RandomState(seed)
    image = np.floor(random.random(size=(height, width, 3)) * levels).astype(np.uint8)
    before = image.copy()
    image.setflags(write=False)
    segments = superpixels(image, n_segments, compactness)
    assert np.array_equal(image, before)
    assert segments.shape == (height, width)
    assert segments.dtype == np.int32
    count = segments.max() + 1
    assert np.bincount(segments.ravel(), minlength=count).all()
    assert segments.min() == 0
    for number in range(count):
        assert ndimage.label(segments == number)[1] == 1
    # As many as asked for, up to the rounding of rows and columns.
    wanted = min(n_segments, height * width)
    short = min(height, width)
    assert abs(count - wanted) <= max(short, np.sqrt(n_segments)) / 2 + 1 or count == height * width


@pytest.mark.parametrize(
    ("shape", "n_segments", "count"),
    [
        ((100, 100), 100, 100),
        ((100, 400), 100, 100),
        ((400, 100), 100, 100),
        ((512, 512), 200, 14 * 14),
        ((1, 60), 7, 7),
        ((60, 1), 7, 7),
        ((5, 5), 25, 25),
        ((5, 5), 10**9, 25),
        ((30, 40), 1, 1),
    ],
)
def test_number_of_regions(shape, n_segments, count):
    assert superpixels(np.zeros((*shape, 3), np.uint8), n_segments).max() + 1 == count


def test_no_pixels():
    assert superpixels(np.zeros((0, 5, 3), np.uint8), 4).shape == (0, 5)


@pytest.mark.parametrize("colors", ["grey", "warm", "faint"])
def test_regions_keep_to_the_edges_of_the_image(wedges, make_rng, colors):
    # Equal in brightness where it is the hue that changes.
    palette = {
        "grey": [[40] * 3, [90] * 3, [140] * 3, [200] * 3],
        "warm": [[40, 90, 140], [140, 90, 40], [90, 90, 90], [200, 90, 0]],
        "faint": [[40] * 3, [50] * 3, [60] * 3, [70] * 3],
    }[colors]
    noise = make_rng().normal(0, 0.5, size=(*wedges.shape, 3))
    image = np.clip(np.array(palette)[wedges] + noise + 0.5, 0, 255).astype(np.uint8)
    # Far enough from the corners, where four areas meet in one cell.
    segments = superpixels(image, 300)
    votes = np.bincount((segments * 4 + wedges).ravel(), minlength=4 * (segments.max() + 1))
    wrong = wedges != votes.reshape(-1, 4).argmax(axis=1)[segments]
    assert wrong.mean() < 0.002
    # Cells of a grid cross the edges.
    grid = superpixels(np.zeros_like(image), 300)
    votes = np.bincount((grid * 4 + wedges).ravel(), minlength=4 * (grid.max() + 1))
    assert (wedges != votes.reshape(-1, 4).argmax(axis=1)[grid]).mean() > 0.02


def test_compactness_counts_small_changes_as_equal(make_rng):
    image = image_of(100 + 10 * make_rng().random((120, 120)))
    ragged = superpixels(image, 100, 0)
    even = superpixels(image, 100, 10)
    # Ten by ten squares have 2 * 9 * 120 pairs of neighbors across their borders.
    assert border_length(ragged) > 1.2 * border_length(even)
    assert border_length(even) < 1.4 * 2 * 9 * 120
    assert np.bincount(ragged.ravel()).max() > 300
    assert np.bincount(even.ravel()).max() < 200
    # Once nothing changes by more than that, it does not matter what the image shows.
    flat = superpixels(image_of(np.full((120, 120), 7)), 100)
    cells = np.add.outer(np.arange(120) // 12 * 10, np.arange(120) // 12)
    # The seed of an even cell is half a pixel off the middle.
    assert (flat == cells).mean() > 0.8
    assert np.array_equal(flat, superpixels(image_of(100 + 2 * board(120)), 100))


def test_a_region_grows_from_the_flattest_place_of_its_cell():
    # The middle of the left cell is a bright column with a dark edge: a seed beside it, not on it.
    image = image_of(np.zeros((12, 24)))
    image[:, 6:8] = 255
    segments = superpixels(image, 2)
    assert (segments[:, :6] == 0).all()
    assert (segments[:, 8:] == 1).all()


def test_lines_join_the_region_of_the_nearest_colour():
    # A pixel that is gray belongs to the side it is closer to.
    ramp = [0] * 10 + [70] + [100] * 10
    segments = superpixels(image_of([ramp] * 9), 2)
    assert (segments[:, 10] == segments[:, 11]).all()
    ramp[10] = 30
    segments = superpixels(image_of([ramp] * 9), 2)
    assert (segments[:, 10] == segments[:, 9]).all()


def test_pinned():
    # From any machine and any version of OpenCV.
    y, x = np.indices((24, 32))
    image = np.stack([(y * x) % 200, (y * y + 3 * x) % 90, (x * x) // 9], axis=2).astype(np.uint8)
    sizes = np.bincount(superpixels(image, 12).ravel()).tolist()
    assert sizes == [154, 18, 35, 55, 57, 123, 115, 12, 47, 29, 30, 93]
