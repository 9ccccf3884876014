from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import PairNoise, noise_statistics, pair_noise


@pytest.mark.parametrize("rate", [0.2, 0.45])
def test_rate_is_the_share_of_wrong_valid_pixels(stripes, make_rng, rate):
    noisy = pair_noise(stripes, make_rng(), rate=rate, num_classes=5)
    statistics = noise_statistics(stripes, noisy, num_classes=5)
    assert statistics.changed_share == pytest.approx(rate, abs=0.01)


def test_each_class_becomes_the_next(stripes, make_rng):
    noisy = pair_noise(stripes, make_rng(), rate=1, num_classes=5)
    valid = stripes != 255
    assert np.array_equal(noisy[valid], (stripes[valid] + 1) % 5)


def test_uint8_does_not_overflow(make_rng):
    mask = np.array([[0, 127, 128, 254, 255]], dtype=np.uint8)
    noisy = pair_noise(mask, make_rng(), rate=1, num_classes=256, ignore_index=-1)
    assert noisy.tolist() == [[1, 128, 129, 255, 0]]


@pytest.mark.parametrize("rate", [-0.1, 2, float("inf"), []])
def test_wrong_rate(rate):
    with pytest.raises(ValueError, match=r"rate must .*\[0, 1\]"):
        PairNoise(rate)
