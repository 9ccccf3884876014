"""Samples by key, by the end of one, by position and at random."""

from __future__ import annotations

import pytest

from anl_seg.browse.sample_selection import pick_at_random, pick_by_name

KEYS = ["train/a_1.png", "train/a_2.png", "val/a_1.png", "val/b.png", "val/7", "val/007.png"]


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [
        (["train/a_2.png"], [1]),
        (["a_2.png"], [1]),
        (["a_2"], [1]),
        (["3", "-1", "0"], [3, 5, 0]),
        (["7"], [4]),  # a key's end comes before a position
        (["007"], [5]),
        (["b", "3", "val/b.png"], [3]),  # the same sample once
    ],
)
def test_by_name(wanted, indices):
    assert pick_by_name(wanted, KEYS) == indices


def test_unknown_names():
    with pytest.raises(ValueError, match=r"no sample 'train/a_3.png'\. Did you mean train/a_"):
        pick_by_name(["train/a_3.png"], KEYS)
    with pytest.raises(ValueError, match=r"'a_1' means 2 samples: train/a_1.png, val/a_1.png\."):
        pick_by_name(["a_1"], KEYS)
    with pytest.raises(
        ValueError, match=r"no sample '6'\. The data set has 6 samples: .* or give 0 to 5"
    ):
        pick_by_name(["6"], KEYS)
    with pytest.raises(ValueError, match="no sample '01'"):  # a name, not position 1
        pick_by_name(["01"], KEYS)


def test_at_random():
    few, many = pick_at_random(100, 5, seed=3), pick_at_random(100, 9, seed=3)
    assert few == sorted(few)
    assert set(few) < set(many)
    assert len(set(many)) == 9
    assert few != pick_at_random(100, 5, seed=4)
    assert pick_at_random(4, 4, seed=0) == [0, 1, 2, 3]
    for count in (0, 5):
        with pytest.raises(
            ValueError, match=f"cannot show {count} samples at random: the data set has 4"
        ):
            pick_at_random(4, count, seed=0)
