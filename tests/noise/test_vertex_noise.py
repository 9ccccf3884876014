from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise.vertex_noise import VertexNoise, vertex_noise


@pytest.fixture(scope="module")
def square():
    """(200, 200) uint8, a square of class 1 with four corners and a square hole."""
    mask = np.zeros((200, 200), dtype=np.uint8)
    mask[50:150, 50:150] = 1
    mask[90:110, 90:110] = 0
    return mask


def corners(mask):
    y, x = np.nonzero(mask == 1)
    return np.array([y.min(), y.max(), x.min(), x.max()])


def test_vertices_move_by_sigma(square, make_rng):
    sigma, count = 3.0, 600
    # The top of the square is the higher one of two corners: the minimum of two normal numbers
    # has mean -sigma / sqrt(pi) and variance sigma^2 (1 - 1 / pi).
    tops = [
        corners(vertex_noise(square, make_rng(i), sigma=sigma, num_classes=2))[0] - 50
        for i in range(count)
    ]
    error = sigma / np.sqrt(count)
    assert np.mean(tops) == pytest.approx(-sigma / np.sqrt(np.pi), abs=4 * error)
    expected = np.sqrt(sigma**2 * (1 - 1 / np.pi) + 1 / 12)
    assert np.std(tops) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("sigma", [1, 5, 30, 1000])
def test_holes_survive(square, make_rng, sigma):
    for seed in range(10):
        noisy = vertex_noise(square, make_rng(seed), sigma=sigma, num_classes=2)
        if sigma <= 5:
            assert (noisy[80:120, 80:120] == 0).any()
            assert (noisy == 1).any()


def test_fewer_vertices_give_a_smoother_outline(disc, make_rng):
    def length(mask):
        inside = mask == 2
        return (inside[1:] != inside[:-1]).sum() + (inside[:, 1:] != inside[:, :-1]).sum()

    ragged = vertex_noise(disc, make_rng(), sigma=2, num_classes=3)
    smooth = vertex_noise(disc, make_rng(), sigma=2, tolerance=2, num_classes=3)
    assert length(ragged) > 1.2 * length(smooth)


def test_an_object_may_leave_the_image(make_rng):
    mask = np.zeros((10, 10), dtype=np.uint8)
    mask[4, 4] = 1
    gone = [
        (vertex_noise(mask, make_rng(i), sigma=200, num_classes=2) == 1).sum() for i in range(9)
    ]
    assert min(gone) == 0


@pytest.mark.parametrize("sigma", [-1, float("nan"), "x"])
def test_wrong_sigma(sigma):
    with pytest.raises(ValueError, match=r"sigma must .*\[0, inf\)"):
        VertexNoise(sigma)


def test_wrong_tolerance():
    with pytest.raises(ValueError, match=r"tolerance must lie in \[0, inf\), got -2"):
        VertexNoise(1, tolerance=-2)
