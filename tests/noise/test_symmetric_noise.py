from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import SymmetricNoise, noise_statistics, sample_rng, symmetric_noise


def test_pinned_result():
    noise = SymmetricNoise(0.5)
    assert noise.digest() == "40e0bfc69c07c17c2a62597e3d4e8209"
    mask = np.arange(24, dtype=np.uint8).reshape(4, 6) % 5
    mask[1, 2] = 255
    noisy = noise(mask, sample_rng(0, "a/b.png", noise.digest()), num_classes=5)
    assert noisy.tolist() == [
        [0, 1, 2, 3, 4, 0],
        [1, 3, 255, 1, 0, 4],
        [4, 1, 2, 2, 3, 2],
        [0, 2, 2, 1, 3, 0],
    ]


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_rate_is_the_share_of_wrong_valid_pixels(stripes, make_rng, rate):
    noisy = symmetric_noise(stripes, make_rng(), rate=rate, num_classes=5)
    statistics = noise_statistics(stripes, noisy, num_classes=5)
    assert statistics.valid_pixels == (stripes != 255).sum()
    assert statistics.changed_share == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_rate_one_never_keeps_the_class(stripes, make_rng, num_classes):
    mask = np.where(stripes == 255, 255, stripes % num_classes).astype(np.uint8)
    noisy = symmetric_noise(mask, make_rng(), rate=1, num_classes=num_classes)
    assert (noisy != mask)[mask != 255].all()


def test_the_wrong_classes_are_equally_frequent(stripes, make_rng):
    noisy = symmetric_noise(stripes, make_rng(), rate=0.8, num_classes=5)
    confusion = noise_statistics(stripes, noisy, num_classes=5).confusion
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    expected = np.full((5, 5), 0.2)
    assert np.abs(shares - expected).max() < 0.015


def test_many_classes(make_rng):
    mask = np.full((100, 100), 299, dtype=np.uint16)
    noisy = symmetric_noise(mask, make_rng(), rate=1, num_classes=300, ignore_index=65535)
    assert noisy.max() == 298
    assert len(np.unique(noisy)) == 299


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "0.4", None, True])
def test_wrong_rate(rate, make_rng):
    with pytest.raises(ValueError, match=r"rate must .*\[0, 1\]"):
        SymmetricNoise(rate)
    with pytest.raises(ValueError, match=r"rate must .*\[0, 1\]"):
        symmetric_noise(np.zeros((2, 2), int), make_rng(), rate=rate, num_classes=2)
