from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from anl_seg.noise.band_noise import BandNoise, band_noise


@pytest.mark.parametrize("radius", [0, 0.5, 1, 1.2, 3.5, 9])
def test_dilation_is_by_distance(disc, make_rng, radius):
    noisy = band_noise(
        disc, make_rng(), low=radius, high=radius, num_classes=3, dilate_probability=1
    )
    distance = ndimage.distance_transform_edt(disc != 2)
    assert np.array_equal(noisy == 2, (disc == 2) | (distance < radius))


@pytest.mark.parametrize("radius", [0, 0.5, 1, 1.2, 3.5, 9, 60])
def test_erosion_is_by_distance(disc, make_rng, radius):
    noisy = band_noise(
        disc, make_rng(), low=radius, high=radius, num_classes=3, dilate_probability=0
    )
    distance = ndimage.distance_transform_edt(disc == 2)
    assert np.array_equal(noisy == 2, (disc == 2) & ~(distance < radius))


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_chessboard_is_a_square_structuring_element(make_rng, kernel):
    mask = (np.random.RandomState(0).random(size=(40, 50)) < 0.02).astype(np.uint8)
    radius = kernel / 2
    for probability, operation in ((1, ndimage.binary_dilation), (0, ndimage.binary_erosion)):
        square = np.ones((kernel, kernel))
        clean = mask if probability else 1 - mask
        noisy = band_noise(
            clean,
            make_rng(),
            low=radius,
            high=radius,
            num_classes=2,
            dilate_probability=probability,
            metric="chessboard",
        )
        expected = operation(clean, square, border_value=1 - probability)
        assert np.array_equal(noisy == 1, expected)


def test_widths_are_uniform_and_directions_even(make_rng):
    mask = np.zeros((1, 201), dtype=np.uint8)
    mask[0, 80:121] = 1
    changes = np.array(
        [
            int((band_noise(mask, make_rng(i), low=3, high=7, num_classes=2) == 1).sum()) - 41
            for i in range(800)
        ]
    )
    grown, shrunk = changes[changes > 0] / 2, -changes[changes < 0] / 2
    assert len(grown) + len(shrunk) == 800
    assert 340 < len(grown) < 460
    # On a line a width r > n changes n pixels on each side: 3 to 6, each in a quarter of the cases.
    for widths in (grown, shrunk):
        counts = np.bincount(widths.astype(int), minlength=8)
        assert counts[3:7].sum() == len(widths)
        assert counts[3:7].min() > 0.17 * len(widths)


def test_objects_of_a_class_share_the_draw_or_do_not(make_rng):
    mask = np.zeros((40, 100), dtype=np.uint8)
    mask[15:25, 15:25] = mask[15:25, 65:75] = 1
    for per_object in (False, True):
        differ = 0
        for seed in range(30):
            noisy = band_noise(
                mask, make_rng(seed), low=1, high=4, num_classes=2, per_object=per_object
            )
            left, right = ((half == 1).sum() for half in np.split(noisy, 2, axis=1))
            differ += left != right
        assert (differ > 15) if per_object else (differ == 0)


def test_each_class_has_its_own_widths(make_rng):
    mask = np.zeros((40, 100), dtype=np.uint8)
    mask[15:25, 15:25] = 1
    mask[15:25, 65:75] = 2
    noisy = band_noise(
        mask, make_rng(), low=[9, 1, 4], high=[9, 1, 4], num_classes=3, dilate_probability=0
    )
    assert (noisy == 1).sum() == 100
    assert (noisy == 2).sum() == 16


def test_holes_are_outlines_too(make_rng):
    mask = np.zeros((60, 60), dtype=np.uint8)
    mask[10:50, 10:50] = 1
    mask[25:35, 25:35] = 0
    noisy = band_noise(mask, make_rng(), low=3, high=3, num_classes=2, dilate_probability=1)
    assert (noisy[25:35, 25:35] == 0).sum() == 36
    noisy = band_noise(mask, make_rng(), low=3, high=3, num_classes=2, dilate_probability=0)
    assert (noisy[22:38, 22:38] == 0).sum() > 100


def test_wrong_parameters():
    with pytest.raises(ValueError, match=r"low must lie in \[0, inf\), got -1"):
        BandNoise(-1, 2)
    with pytest.raises(ValueError, match="high must be at least low, got low=3 and high=2"):
        BandNoise(3, 2)
    with pytest.raises(ValueError, match="high must be at least low"):
        BandNoise([0, 3], 2)
    with pytest.raises(ValueError, match="low lists 2 values and high 3"):
        BandNoise([0, 3], [4, 4, 4])
    with pytest.raises(ValueError, match="metric must be one of euclidean, chessboard, got 'city'"):
        BandNoise(1, 2, metric="city")
    with pytest.raises(ValueError, match=r"dilate_probability must lie in \[0, 1\]"):
        BandNoise(1, 2, dilate_probability=2)
