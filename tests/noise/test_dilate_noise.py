from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anl_seg.noise import DilateNoise, dilate_noise


def slow_squared_distance(targets):
    """Squared distance of each pixel to the nearest True, by comparing all with all."""
    y, x = np.indices(targets.shape)
    ty, tx = np.nonzero(targets)
    return ((y[..., None] - ty) ** 2 + (x[..., None] - tx) ** 2).min(axis=-1)


@pytest.mark.parametrize("beta", [0.01, 0.3, 0.7, 2.0])
def test_area_grows_by_beta(disc, make_rng, beta):
    noisy = dilate_noise(disc, make_rng(), beta=beta, num_classes=3)
    area = int((disc == 2).sum())
    assert (noisy == 2).sum() == area + int(beta * area + 0.5)
    assert (noisy[disc == 2] == 2).all()


def test_half_a_pixel_is_rounded_up(make_rng):
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[4, 4] = 1
    assert (dilate_noise(mask, make_rng(), beta=0.5, num_classes=2) == 1).sum() == 2
    assert (dilate_noise(mask, make_rng(), beta=0.49, num_classes=2) == 1).sum() == 1


@given(data=st.data(), beta=st.floats(0.05, 6), seed=st.integers(0, 99))
def test_the_nearest_valid_pixels_join(make_rng, data, beta, seed):
    # One object among random ignored pixels, in images wider than the first window.
    height, width = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24))
    random = np.random.RandomState(seed)
    mask = np.where(random.random(size=(height, width)) < data.draw(st.floats(0, 0.9)), 255, 0)
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    mask[top : top + 3, left : left + 4] = 1
    clean = mask == 1
    noisy = dilate_noise(mask, make_rng(seed), beta=beta, num_classes=2)
    joined = (noisy == 1) & ~clean
    outside = mask == 0
    wanted = int(np.floor(beta * clean.sum() + 0.5))
    assert joined.sum() == min(wanted, outside.sum())
    assert (noisy == 1)[clean].all()
    distance = slow_squared_distance(clean)
    assert distance[joined].max(initial=0) <= distance[outside & ~joined].min(initial=10**6)


def test_a_first_window_that_is_too_small_is_widened(make_rng):
    # In a corner an object reaches farther for the same area than the disc the window is made for.
    mask = np.zeros((60, 60), dtype=np.uint8)
    mask[:3, :3] = 1
    noisy = dilate_noise(mask, make_rng(), beta=6, num_classes=2)
    distance = slow_squared_distance(mask == 1)
    assert (noisy == 1).sum() == 63
    assert distance[noisy == 1].max() <= distance[noisy == 0].min()


def test_ties_are_broken_by_the_generator(make_rng):
    mask = np.zeros((7, 7), dtype=np.uint8)
    mask[3, 3] = 1
    joined = {
        tuple(np.argwhere(dilate_noise(mask, make_rng(i), beta=1, num_classes=2) != mask)[0])
        for i in range(60)
    }
    assert joined == {(2, 3), (3, 2), (3, 4), (4, 3)}


def test_growth_stops_at_the_edge_and_at_ignored_pixels(make_rng):
    mask = np.array([[1, 0, 255, 255, 0, 0]], dtype=np.uint8)
    noisy = dilate_noise(mask, make_rng(), beta=2, num_classes=2)
    assert noisy.tolist() == [[1, 1, 255, 255, 1, 0]]
    noisy = dilate_noise(mask, make_rng(), beta=9, num_classes=2)
    assert noisy.tolist() == [[1, 1, 255, 255, 1, 1]]


def test_where_two_objects_meet_neither_class_is_favoured(make_rng):
    mask = np.array([[1, 1, 0, 2, 2]], dtype=np.uint8)
    middles = [dilate_noise(mask, make_rng(i), beta=0.5, num_classes=3)[0, 2] for i in range(200)]
    assert set(middles) == {1, 2}
    assert 70 < middles.count(1) < 130


def test_diagonal_pixels_are_one_object(make_rng):
    # Two objects of one pixel would each round 0.4 down to nothing.
    mask = np.zeros((8, 8), dtype=np.uint8)
    mask[3, 3] = mask[4, 4] = 1
    assert (dilate_noise(mask, make_rng(), beta=0.4, num_classes=2) == 1).sum() == 3
    mask[4, 4] = 0
    mask[5, 5] = 1
    assert (dilate_noise(mask, make_rng(), beta=0.4, num_classes=2) == 1).sum() == 2


def test_background(make_rng):
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[3:6, 3:6] = 1
    noisy = dilate_noise(mask, make_rng(), beta=0.5, num_classes=2, background=1)
    assert (noisy == 1).sum() == 0
    noisy = dilate_noise(mask, make_rng(), beta=0, num_classes=2, background=1)
    assert np.array_equal(noisy, mask)


def test_pinned_result(make_rng):
    mask = np.zeros((5, 8), dtype=np.uint8)
    mask[1:3, 1:3] = 1
    mask[2:4, 5:7] = 2
    noisy = dilate_noise(mask, make_rng(), beta=1.5, num_classes=3)
    assert noisy.tolist() == [
        [0, 1, 1, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 2, 2, 0],
        [1, 1, 1, 0, 0, 2, 2, 2],
        [0, 1, 1, 0, 2, 2, 2, 2],
        [0, 0, 0, 0, 0, 2, 0, 0],
    ]


@pytest.mark.parametrize("beta", [-0.1, float("nan"), float("inf"), "1", False])
def test_wrong_beta(beta):
    with pytest.raises(ValueError, match=r"beta must .*\[0, inf\)"):
        DilateNoise(beta)
