"""The values of label files and the labels that loaders make of them."""

from __future__ import annotations

import numpy as np
import pytest

from anl_seg.corruption import config_source
from anl_seg.corruption.find_raw_labels import find_raw_labels
from anl_seg.masks.raw_labels import REFUSED, RawLabels


@pytest.mark.parametrize(
    ("kind", "runs"),
    [
        ("ade", [[0, 0, 255], [1, 254, 0], [255, 255, 255]]),
        ("voc", [[0, 255, 0]]),
        ("isic", [[0, 0, 0], [255, 255, 1]]),
        ("grey16", [[256 * i, 256 * i + 255, 0] for i in range(256)]),  # mmseg keeps 8 bits
    ],
)
def test_tables_of_the_loaders(make_config, kind, runs):
    raw = find_raw_labels(config_source(make_config(kind)).parts[0], 0)
    assert raw.runs() == runs
    again = RawLabels.from_runs(runs)
    values = np.arange(len(raw.table))
    assert np.array_equal(again.labels(values), raw.labels(values))


def test_table_of_some_classes_in_another_order(make_config):
    raw = find_raw_labels(config_source(make_config("ade_subset")).parts[0], 0)
    # In ADE20K's files sky is 3, wall is 1 and tree is 5; classes=("sky", "wall", "tree").
    assert raw.values_for(3).tolist() == [3, 1, 5]
    assert (np.delete(raw.table[:151], [1, 3, 5]) == 255).all()


@pytest.mark.parametrize("kind", ["jsrt", "bmp", "synthetic"])
def test_none_where_a_file_alone_does_not_decide(make_config, kind):
    assert find_raw_labels(config_source(make_config(kind)).parts[0], 0) is None


def test_smallest_value_is_written_and_missing_classes_are_named():
    table = np.full(256, REFUSED)
    table[[4, 9, 7]] = [0, 0, 1]
    raw = RawLabels(table)
    assert raw.values_for(2).tolist() == [4, 7]
    assert raw.labels(np.array([[9, 5, 300]])).tolist() == [[0, REFUSED, REFUSED]]
    with pytest.raises(ValueError, match=r"loaded as class 2 \(2 of 4 classes"):
        raw.values_for(4)


@pytest.mark.parametrize("seed", range(20))
def test_runs_say_the_whole_table(seed):
    rng = np.random.RandomState(seed)
    table = np.full(256, REFUSED)
    for _ in range(rng.randint(1, 9)):
        start, length = rng.randint(0, 256), rng.randint(1, 80)
        table[start : start + length] = np.arange(length)[: 256 - start] * rng.randint(0, 3) + 5
    raw = RawLabels(table)
    assert np.array_equal(RawLabels.from_runs(raw.runs()).table[:256], raw.table)
