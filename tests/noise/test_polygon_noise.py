from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from anl_seg.noise.polygon_noise import PolygonNoise, polygon_noise


@pytest.fixture(scope="module")
def ring():
    """(120, 120) uint8, class 1 in a ring with a hole of class 2 and an island of class 3 in it."""
    y, x = np.indices((120, 120))
    square = (y - 60) ** 2 + (x - 60) ** 2
    return np.select(
        [square <= 8**2, square <= 20**2, square <= 50**2], [3, 2, 1], default=0
    ).astype(np.uint8)


@pytest.mark.parametrize("tolerance", [1, 3, 10])
def test_the_outline_moves_by_no_more_than_the_tolerance(disc, make_rng, tolerance):
    noisy = polygon_noise(disc, make_rng(), tolerance=tolerance, num_classes=3)
    changed = noisy != disc
    assert changed.any()
    inside, outside = disc == 2, disc != 2
    depth = ndimage.distance_transform_edt(inside) + ndimage.distance_transform_edt(outside)
    # The outline runs through pixel centers: half a diagonal may come on top.
    assert depth[changed].max() <= tolerance + 1.5


def test_corners_get_fewer(disc, make_rng):
    import cv2

    corners = []
    for tolerance in (0, 1, 4, 12):
        noisy = polygon_noise(disc, make_rng(), tolerance=tolerance, num_classes=3)
        contour = cv2.findContours(
            (noisy == 2).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )[0][0]
        corners.append(len(cv2.approxPolyDP(contour, 0.9, True)))
    assert corners == sorted(corners, reverse=True)
    assert corners[0] > 2 * corners[-1]


@pytest.mark.parametrize("tolerance", [2, 6, 15, 40, 500])
def test_holes_survive(ring, make_rng, tolerance):
    noisy = polygon_noise(ring, make_rng(), tolerance=tolerance, num_classes=4)
    # The center of the image lies in the hole, whatever the classes there are.
    assert (noisy[40:81, 40:81] != 1).any()
    if tolerance < 15:
        assert (noisy == 1).sum() == pytest.approx((ring == 1).sum(), rel=0.15)


def test_the_polygon_itself_is_not_random(ring, make_rng):
    alone = np.where(ring == 1, 1, 0)
    results = [polygon_noise(alone, make_rng(i), tolerance=5, num_classes=4) for i in range(3)]
    assert all(np.array_equal(results[0], other) for other in results)


def test_rectangles_stay(make_rng):
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[5:30, 8:20] = 1
    noisy = polygon_noise(mask, make_rng(), tolerance=3, num_classes=2)
    assert np.array_equal(noisy, mask)


def test_each_class_has_its_own_tolerance(disc, make_rng):
    assert np.array_equal(polygon_noise(disc, make_rng(), tolerance=[5, 5, 0], num_classes=3), disc)


@pytest.mark.parametrize("tolerance", [-1, float("inf"), "x", None])
def test_wrong_tolerance(tolerance):
    with pytest.raises(ValueError, match=r"tolerance must .*\[0, inf\)"):
        PolygonNoise(tolerance)
