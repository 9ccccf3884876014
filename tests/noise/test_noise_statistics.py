from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anl_seg.noise import NoiseStatistics, noise_statistics

labels = arrays(np.uint8, (2, 5, 6), elements=st.integers(0, 3))


@given(pair=labels, ignored=arrays(bool, (5, 6)))
def test_slow_oracle(pair, ignored):
    clean, noisy = pair
    clean[ignored] = noisy[ignored] = 255
    confusion = np.zeros((4, 4), dtype=np.int64)
    for c, n in zip(clean.flat, noisy.flat):
        if c != 255:
            confusion[c, n] += 1
    statistics = noise_statistics(clean, noisy, num_classes=4)
    assert statistics.confusion.dtype == np.int64
    assert np.array_equal(statistics.confusion, confusion)
    valid = ~ignored
    assert statistics.valid_pixels == valid.sum()
    assert statistics.changed_pixels == (clean != noisy).sum()
    if valid.any():
        assert statistics.changed_share == pytest.approx((clean != noisy)[valid].mean())
    else:
        assert math.isnan(statistics.changed_share)
    for k in range(4):
        total = (clean == k).sum() + (noisy == k).sum()
        expected = 2 * ((clean == k) & (noisy == k)).sum() / total if total else math.nan
        assert statistics.dice[k] == pytest.approx(expected, nan_ok=True)


def test_rows_are_clean_and_columns_noisy():
    statistics = noise_statistics(np.array([[0, 0, 1]]), np.array([[2, 0, 1]]), num_classes=3)
    assert statistics.confusion.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert statistics.changed_share == pytest.approx(1 / 3)
    assert statistics.dice == pytest.approx([2 / 3, 1, 0])


def test_sum_counts_pixels_not_images():
    one = noise_statistics(np.array([[0]]), np.array([[1]]), num_classes=2)
    many = noise_statistics(np.zeros((1, 9), int), np.zeros((1, 9), int), num_classes=2)
    total = sum([one, many], NoiseStatistics.zeros(2))
    assert total.changed_share == pytest.approx(0.1)
    assert total.valid_pixels == 10
    assert one.valid_pixels == 1


def test_to_dict_is_json():
    ignored = np.full((2, 2), 255)
    nothing = noise_statistics(ignored, ignored, num_classes=2).to_dict()
    assert json.loads(json.dumps(nothing, allow_nan=False)) == {
        "valid_pixels": 0,
        "changed_pixels": 0,
        "changed_share": None,
        "dice": [None, None],
        "confusion": [[0, 0], [0, 0]],
    }
    some = noise_statistics(np.array([[0, 0]]), np.array([[0, 1]]), num_classes=3).to_dict()
    assert json.loads(json.dumps(some, allow_nan=False)) == some
    assert some["changed_share"] == 0.5
    assert some["dice"] == [pytest.approx(2 / 3), 0, None]


def test_errors():
    mask = np.zeros((2, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"clean mask is \(2, 3\), noisy mask is \(3, 2\)"):
        noise_statistics(mask, mask.T, num_classes=2)
    other = mask.copy()
    other[0, :2] = 255
    with pytest.raises(ValueError, match="2 pixels have ignore_index 255 in only one"):
        noise_statistics(mask, other, num_classes=2)
    with pytest.raises(ValueError, match="labels 2"):
        noise_statistics(mask, mask + 2, num_classes=2)
    with pytest.raises(ValueError, match="different numbers of classes: 2 and 3"):
        NoiseStatistics.zeros(2) + NoiseStatistics.zeros(3)
    with pytest.raises(TypeError):
        NoiseStatistics.zeros(2) + 1
