from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import AffineNoise, affine_noise


@pytest.fixture(scope="module")
def letter():
    """(240, 240) uint8, an L of class 1 in the middle of class 0: turning it changes it."""
    mask = np.zeros((240, 240), dtype=np.uint8)
    mask[80:160, 90:115] = 1
    mask[135:160, 90:150] = 1
    return mask


def xor_share(mask, noisy, label):
    return ((mask == label) ^ (noisy == label)).sum() / (mask == label).sum()


@pytest.mark.parametrize("beta", [0.1, 0.3, 0.7, 1.2, 1.9])
@pytest.mark.parametrize("seed", range(4))
def test_xor_is_beta_of_the_area(disc, letter, make_rng, beta, seed):
    for mask, label in ((np.pad(disc, 40), 2), (letter, 1)):  # with room to move
        noisy = affine_noise(mask, make_rng(seed), beta=beta, num_classes=3, max_angle=10)
        assert xor_share(mask, noisy, label) == pytest.approx(beta, abs=0.02)
        area = (mask == label).sum()
        assert (noisy == label).sum() == pytest.approx(area, rel=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_an_angle_that_exceeds_beta_is_reduced(letter, make_rng, seed):
    # Up to 180 degrees, nearly every angle drawn changes more than 5 percent.
    noisy = affine_noise(letter, make_rng(seed), beta=0.05, num_classes=2, max_angle=180)
    assert xor_share(letter, noisy, 1) == pytest.approx(0.05, abs=0.02)
    shift = np.argwhere(noisy == 1).mean(axis=0) - np.argwhere(letter == 1).mean(axis=0)
    assert np.abs(shift).max() < 1


def test_shifts_go_in_all_directions(disc, make_rng):
    old = np.argwhere(disc == 2).mean(axis=0)
    angles = []
    for seed in range(60):
        noisy = affine_noise(disc, make_rng(seed), beta=0.4, num_classes=3)
        dy, dx = np.argwhere(noisy == 2).mean(axis=0) - old
        assert np.hypot(dy, dx) > 5
        angles.append(np.arctan2(dy, dx))
    counts, _ = np.histogram(angles, bins=8, range=(-np.pi, np.pi))
    assert counts.min() >= 1
    assert counts.max() <= 20


def test_without_an_angle_it_is_a_pure_shift(letter, make_rng):
    noisy = affine_noise(letter, make_rng(), beta=0.5, num_classes=2, max_angle=0)
    top, left = np.argwhere(noisy == 1).min(axis=0) - np.argwhere(letter == 1).min(axis=0)
    assert np.array_equal(np.roll(letter, (top, left), axis=(0, 1)), noisy)


def test_vacated_pixels_take_the_label_around_them(make_rng):
    mask = np.full((60, 60), 3, dtype=np.uint8)
    mask[20:40, 20:40] = 1
    noisy = affine_noise(mask, make_rng(), beta=0.8, num_classes=4)
    assert set(np.unique(noisy)) == {1, 3}


def test_nothing_lands_on_ignored_pixels(disc, make_rng):
    mask = disc.copy()
    mask[:, 125:] = 255
    for seed in range(8):
        noisy = affine_noise(mask, make_rng(seed), beta=1.5, num_classes=3)
        assert np.array_equal(noisy == 255, mask == 255)


def test_an_object_that_cannot_reach_beta_stays_nearest_to_it(make_rng):
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[4, 4] = 1
    # A pixel is either where it was (XOR 0) or elsewhere (XOR 2).
    assert np.array_equal(affine_noise(mask, make_rng(), beta=0.9, num_classes=2), mask)
    noisy = affine_noise(mask, make_rng(), beta=1.1, num_classes=2)
    assert noisy[4, 4] == 0
    assert (noisy == 1).sum() == 1


def test_objects_of_one_class_move_apart_from_each_other(make_rng):
    mask = np.zeros((60, 120), dtype=np.uint8)
    mask[20:40, 20:40] = mask[20:40, 80:100] = 1
    noisy = affine_noise(mask, make_rng(), beta=0.5, num_classes=2, max_angle=0)
    left, right = (np.argwhere(half == 1).mean(axis=0) for half in np.split(noisy, 2, axis=1))
    assert np.abs(left - right).max() > 1


@pytest.mark.parametrize("beta", [-0.1, 2, float("nan"), "x"])
def test_wrong_beta(beta):
    with pytest.raises(ValueError, match=r"beta must .*\[0, 2\)"):
        AffineNoise(beta)


@pytest.mark.parametrize("angle", [-1, 181, None])
def test_wrong_angle(angle):
    with pytest.raises(ValueError, match=r"max_angle must .*\[0, 180\]"):
        AffineNoise(0.5, max_angle=angle)
