from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anl_seg.noise import ErodeNoise, erode_noise


@pytest.mark.parametrize("beta", [0.01, 0.3, 0.7, 1.0])
def test_area_shrinks_by_beta(disc, make_rng, beta):
    noisy = erode_noise(disc, make_rng(), beta=beta, num_classes=3)
    area = int((disc == 2).sum())
    assert (noisy == 2).sum() == area - int(beta * area + 0.5)
    assert (noisy[disc == 0] == 0).all()


@given(data=st.data(), beta=st.floats(0.05, 1), seed=st.integers(0, 99))
def test_the_pixels_nearest_to_the_outside_leave(make_rng, data, beta, seed):
    # One object in a sea of ignored pixels with few valid ones of two classes, some far away.
    height, width = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24))
    random = np.random.RandomState(seed)
    mask = np.where(random.random(size=(height, width)) < data.draw(st.floats(0, 0.97)), 255, 0)
    mask[(mask == 0) & (random.random(size=mask.shape) < 0.5)] = 2
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    mask[top : top + 7, left : left + 9] = 1
    clean = mask == 1
    outside = (mask == 0) | (mask == 2)
    noisy = erode_noise(mask, make_rng(seed), beta=beta, num_classes=3, background=0)
    # Class 2 shrinks too; only what happens to the one object of class 1 is looked at.
    left_it = clean & (noisy != 1)
    if not outside.any():
        assert not left_it.any()
        return
    assert left_it.sum() == int(np.floor(beta * clean.sum() + 0.5))
    y, x = np.indices(mask.shape)
    oy, ox = np.nonzero(outside)
    distances = np.hypot(y[..., None] - oy, x[..., None] - ox)
    nearest = distances.min(axis=-1)
    assert nearest[left_it].max(initial=0) <= nearest[clean & ~left_it].min(initial=10**6)
    # The new label is that of an outside pixel that is (all but) the nearest.
    for index in np.argwhere(left_it):
        same = mask[oy, ox] == noisy[tuple(index)]
        found = distances[tuple(index)][same].min()
        assert found <= 1.05 * nearest[tuple(index)]


def test_vacated_pixels_take_the_label_beside_them(make_rng):
    mask = np.array([[1, 3, 3, 3, 3, 2]] * 4, dtype=np.uint8)
    noisy = erode_noise(mask, make_rng(), beta=0.5, num_classes=4, background=1)
    # The last column is an object itself and gives way to its neighbor, class 3.
    assert (noisy[:, :5] == [[1, 1, 3, 3, 2]]).all()


def test_a_hole_is_a_border(make_rng):
    mask = np.ones((9, 9), dtype=np.uint8)
    mask[4, 4] = 0
    noisy = erode_noise(mask, make_rng(), beta=0.1, num_classes=2)
    expected = mask.copy()
    expected[3:6, 3:6] = 0
    assert np.array_equal(noisy, expected)


def test_the_edge_of_the_image_is_no_border(make_rng):
    mask = np.ones((6, 6), dtype=np.uint8)
    mask[:, 0] = 0
    noisy = erode_noise(mask, make_rng(), beta=0.2, num_classes=2)
    assert (noisy == [[0, 0, 1, 1, 1, 1]]).all()


def test_ignored_pixels_are_no_border_but_the_class_behind_them_is(make_rng):
    mask = np.array([[1, 1, 1, 255, 255, 0]], dtype=np.uint8)
    noisy = erode_noise(mask, make_rng(), beta=0.3, num_classes=2)
    assert noisy.tolist() == [[1, 1, 0, 255, 255, 0]]
    mask = np.array([[1, 1, 1, 255, 255]], dtype=np.uint8)
    assert np.array_equal(erode_noise(mask, make_rng(), beta=1, num_classes=2), mask)


def test_ties_are_broken_by_the_generator(make_rng):
    mask = np.zeros((7, 7), dtype=np.uint8)
    mask[2:5, 2:5] = 1
    gone = {
        tuple(np.argwhere(erode_noise(mask, make_rng(i), beta=0.1, num_classes=2) != mask)[0])
        for i in range(100)
    }
    assert gone == {(y, x) for y in (2, 3, 4) for x in (2, 3, 4)} - {(3, 3)}


@pytest.mark.parametrize("beta", [-0.1, 1.01, float("nan"), None])
def test_wrong_beta(beta):
    with pytest.raises(ValueError, match=r"beta must .*\[0, 1\]"):
        ErodeNoise(beta)
