from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from scipy import ndimage

from anl_seg.noise.elastic_noise import ElasticNoise, elastic_noise

# The module, not the function of the same name that the package may export.
elastic = importlib.import_module("anl_seg.noise.elastic_noise")


def numbered(height, width):
    """A mask in which every pixel is a class of its own: what moves where can be read off."""
    return np.arange(height * width).reshape(height, width)


def bend(mask, rng, **parameters):
    """Elastic noise on a mask of numbered pixels, -1 for ignored ones."""
    return elastic_noise(mask, rng, num_classes=max(2, mask.size), ignore_index=-1, **parameters)


def slow_displacement(draw, alpha, sigma):
    """NSegment's field in floats: what OpenCV's GaussianBlur does, by scipy."""
    reach = int(4 * sigma + 0.5)
    field = np.pad(alpha * (2 * draw - 1), reach, mode="reflect")
    field = ndimage.gaussian_filter(field, sigma, truncate=4, mode="constant")
    return field[reach : reach + draw.shape[0], reach : reach + draw.shape[1]]


@pytest.mark.parametrize(
    ("shape", "alpha", "sigma"),
    [
        ((90, 120), 50, 3),
        ((90, 120), 100, 5.3),
        ((90, 120), 400, 20),
        ((90, 120), 3, 0.7),
        ((7, 5), 30, 3),
        ((1, 40), 100, 10),
        ((40, 1), 100, 10),
        ((1, 1), 100, 1),
    ],
)
def test_slow_oracle(make_rng, shape, alpha, sigma):
    noisy = bend(numbered(*shape), make_rng(), alpha=alpha, sigma=sigma)
    random = make_rng()
    height, width = shape
    x, y = (slow_displacement(random.random(shape), alpha, sigma) for _ in "xy")
    rows = np.clip(np.floor(np.arange(height)[:, None] + y + 0.5), 0, height - 1)
    columns = np.clip(np.floor(np.arange(width) + x + 0.5), 0, width - 1)
    # The noise works on whole numbers: a displacement near a half may be rounded the other way.
    error = 0.005 + 0.02 * np.maximum(x.std(), y.std())
    certain = (np.abs(x % 1 - 0.5) > error) & (np.abs(y % 1 - 0.5) > error)
    assert certain.mean() > 0.7 or certain.size < 50
    assert np.array_equal(noisy[certain], (rows * width + columns)[certain])
    if min(shape) > 1:
        assert (noisy != numbered(*shape)).mean() > 0.3


@pytest.mark.parametrize(("alpha", "sigma"), [(100, 3), (100, 5), (800, 10)])
def test_spread_of_displacements(make_rng, alpha, sigma):
    shape = (400, 400)
    noisy = bend(numbered(*shape), make_rng(), alpha=alpha, sigma=sigma)
    rows, columns = np.divmod(noisy, 400)
    inner = slice(60, -60)
    expected = alpha / (math.sqrt(3) * 2 * math.sqrt(math.pi) * sigma)
    for moved in (rows - np.arange(400)[:, None], columns - np.arange(400)):
        moved = moved[inner, inner]
        # Rounding to whole pixels adds a variance of 1/12.
        assert math.sqrt(moved.var() - 1 / 12) == pytest.approx(expected, rel=0.03 * sigma)
        assert abs(moved.mean()) < 0.04 * sigma * expected


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1, 3, 9.7, 50])
def test_sums_are_exact(sigma):
    kernels = [elastic._gaussian(sigma, total) for total in (2**14, 2**13)]
    for kernel, total in zip(kernels, (2**14, 2**13)):
        assert np.array_equal(kernel, kernel.astype(np.int64))
        assert np.array_equal(kernel, kernel[::-1])
        assert abs(kernel.sum() - total) < 0.03 * total
    row_kernel, column_kernel = (kernel.astype(np.int64) for kernel in kernels)
    reach = len(row_kernel) // 2
    random = np.random.RandomState(3)
    # Also the largest field there is: it must not overflow.
    drawn = 2 * np.floor(random.random(size=(30, 41)) * 512).astype(np.int64) - 511
    for field in (drawn, np.full((30, 41), 511)):
        rows = np.pad(field, ((0, 0), (reach, reach)), mode="reflect")
        rows = np.stack([np.convolve(row, row_kernel, mode="valid") for row in rows])
        assert np.abs(rows).max() < 2**24
        rows = np.rint(rows / 2**13).astype(np.int64)
        columns = np.pad(rows, ((reach, reach), (0, 0)), mode="reflect")
        columns = np.stack([np.convolve(c, column_kernel, mode="valid") for c in columns.T]).T
        assert np.abs(columns).max() < 2**24
        unit = 2**14 / (2**10 * float(row_kernel.sum()) * float(column_kernel.sum()))
        assert np.array_equal(elastic._smoothed(field.astype(np.float32), sigma), columns * unit)
    assert columns.min() * unit == pytest.approx(511 / 512, rel=1e-3)


@pytest.mark.parametrize(("sigma", "share"), [(3, 0.005), (10, 0.005), (50, 0.02)])
def test_rounding_adds_little_noise(make_rng, sigma, share):
    exact = slow_displacement(make_rng().random((200, 260)), 1, sigma)
    field = elastic._smoothed(elastic._random_field((200, 260), make_rng()), sigma)
    assert (field - exact).std() < share * exact.std()


class Draws(np.random.RandomState):
    """A generator whose uniform numbers are all the same."""

    def __init__(self, value):
        super().__init__(0)
        self.value = value

    def random(self, size=None):
        return np.full(size, self.value)


def test_field_is_uniform_with_mean_0(make_rng):
    field = elastic._random_field((300, 300), make_rng())
    assert field.dtype == np.float32
    assert set(np.unique(field % 2)) == {1}
    assert field.min() == -511
    assert field.max() == 511
    assert abs(field.mean()) < 5
    assert field.std() == pytest.approx(512 / math.sqrt(3), rel=0.01)
    assert elastic._random_field((1, 1), Draws(0.0)) == -511
    assert elastic._random_field((1, 1), Draws(np.nextafter(1, 0))) == 511


def test_weak_fields_change_nothing(stripes, make_rng):
    for alpha, sigma in ((0, 3), (1, 3), (1, 10)):
        noisy = elastic_noise(stripes, make_rng(), alpha=alpha, sigma=sigma, num_classes=5)
        assert np.array_equal(noisy, stripes)


def test_a_larger_alpha_bends_more(disc, make_rng):
    changed = [
        (elastic_noise(disc, make_rng(), alpha=alpha, sigma=3, num_classes=3) != disc).mean()
        for alpha in (1, 15, 30, 50, 100, 1000)
    ]
    assert changed == sorted(changed)
    assert changed[1] > 0
    assert changed[-1] > 0.1


def test_small_regions_stay(make_rng):
    mask = np.zeros((200, 200), dtype=np.uint8)
    mask[20:60, 20:60] = 1
    mask[120:128, 120:128] = 1
    mask[128:136, 128:136] = 1  # touches the one above at a corner: 128 pixels together
    mask[150, 40] = 2
    small = np.s_[114:142, 114:142]
    single = np.s_[140:161, 30:51]
    strong = dict(alpha=60, sigma=3, num_classes=3)
    free = elastic_noise(mask, make_rng(), **strong)
    for box in (small, single, np.s_[:100, :100]):
        assert (free != mask)[box].any()
    # The field is 0 within 30 pixels; the Gaussian reaches 12.
    for min_area, stays in ((127, False), (128, True), (1599, True)):
        noisy = elastic_noise(mask, make_rng(), min_area=min_area, **strong)
        assert np.array_equal(noisy[single], mask[single])
        assert np.array_equal(noisy[small], mask[small]) == stays
        assert (noisy != mask)[:100, :100].any()
    for min_area in (1600, 10**12):
        noisy = elastic_noise(mask, make_rng(), min_area=min_area, **strong)
        assert np.array_equal(noisy[:90, :90], mask[:90, :90])
    # Far from every small region nothing is different.
    near = elastic_noise(mask, make_rng(), min_area=1, **strong)
    assert np.array_equal(near[:100], free[:100])


@pytest.mark.parametrize(("alpha", "margin"), [(7, 3), (8.9, 4), (1.9, 0), (999, 60)])
def test_the_margin_is_half_of_alpha_rounded_down(alpha, margin):
    mask = np.full((60, 60), -1)
    mask[:2, 55:] = 0  # ten pixels
    mask[20:22, 30:33] = 1  # six
    expected = np.zeros(mask.shape, dtype=bool)
    expected[max(0, 20 - margin) : 22 + margin, max(0, 30 - margin) : 33 + margin] = True
    still = elastic._around_small_regions(mask, mask >= 0, 6, math.floor(alpha / 2))
    assert np.array_equal(still, expected)
    # The background is a class like any other.
    still = elastic._around_small_regions(mask, mask >= 0, 10, 0)
    assert np.array_equal(still, mask >= 0)


def test_ignored_pixels_stay_and_lend_no_label(make_rng):
    mask = numbered(60, 60)
    ignored = np.random.RandomState(1).random(size=mask.shape) < 0.3
    expected = bend(mask, make_rng(), alpha=60, sigma=2)
    # Which pixels have an ignored source?
    lost = ignored.ravel()[expected]
    holes = np.where(ignored, -1, mask)
    noisy = bend(holes, make_rng(), alpha=60, sigma=2)
    assert (lost & ~ignored).any()
    assert (noisy[ignored] == -1).all()
    assert np.array_equal(noisy[lost & ~ignored], mask[lost & ~ignored])
    kept = ~lost & ~ignored
    assert np.array_equal(noisy[kept], expected[kept])


def test_the_two_directions_have_fields_of_their_own(make_rng):
    noisy = bend(numbered(80, 80), make_rng(), alpha=80, sigma=2)
    rows, columns = np.divmod(noisy, 80)
    x = (columns - np.arange(80)).ravel()
    y = (rows - np.arange(80)[:, None]).ravel()
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.1


def test_huge_displacements_end_at_the_edge(make_rng):
    noisy = bend(numbered(9, 12), make_rng(), alpha=1e308, sigma=1)
    rows, columns = np.divmod(noisy, 12)
    assert set(np.unique(rows)) <= {0, 8}
    assert set(np.unique(columns)) <= {0, 11}


def test_alpha_and_min_area_share_the_field():
    noise = ElasticNoise(50, 3, min_area=1000)
    assert noise.config() == dict(type="ElasticNoise", alpha=50.0, sigma=3.0, min_area=1000)
    assert noise.digest() == ElasticNoise(15, 3).digest()
    assert noise.digest() != ElasticNoise(50, 5).digest()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (0, 5), (5, 0), (2, 3)])
def test_small_masks(make_rng, shape):
    for label in (0, 1, 255):
        mask = np.full(shape, label, dtype=np.uint16)
        noisy = ElasticNoise(100, 3, 4)(mask, make_rng(), num_classes=2)
        assert np.array_equal(noisy, mask)
        assert noisy.dtype == np.uint16


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (dict(alpha=-1, sigma=3), r"alpha must lie in \[0, inf\), got -1"),
        (dict(alpha=float("inf"), sigma=3), "alpha must be a finite number"),
        (dict(alpha=[5, 6], sigma=3), "alpha must be a finite number"),
        (dict(alpha=1, sigma=0), r"sigma must lie in \(0, 50\], got 0"),
        (dict(alpha=1, sigma=-2), "sigma must lie in"),
        (dict(alpha=1, sigma=51), "sigma must lie in"),
        (dict(alpha=1, sigma=3, min_area=-1), "min_area must be an integer of at least 0, got -1"),
        (dict(alpha=1, sigma=3, min_area=2.5), "min_area must be an integer"),
    ],
)
def test_wrong_parameters(parameters, message, make_rng):
    with pytest.raises(ValueError, match=message):
        ElasticNoise(**parameters)
    with pytest.raises(ValueError, match=message):
        elastic_noise(np.zeros((3, 3), np.uint8), make_rng(), num_classes=2, **parameters)
