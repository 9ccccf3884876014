"""NoiseStatisticsHook over fake datasets, against counting changed pixels."""

from __future__ import annotations

import json
import logging
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmseg.datasets import MultiImageMixDataset

from anl_seg.engine.hooks import NoiseStatisticsHook
from anl_seg.registry import HOOKS


class Load:
    """Makes the mask of a sample; draws from global generators as an augmentation might."""

    def __call__(self, results: dict) -> dict:
        random.random(), np.random.rand(), torch.rand(1)
        rng = np.random.RandomState(results["index"])
        mask = rng.randint(0, 3, (5, 6)).astype(np.uint8)
        mask[0, : 1 + results["index"] % 3] = 255
        return {**results, "gt_seg_map": mask}


class Corrupt:
    """Moves the class of the first ``1 + index`` valid pixels on by one."""

    records_noise_statistics = True
    num_classes, ignore_index = 3, 255

    def __init__(self, seed: int = 7) -> None:
        self.seed = seed
        self.noise = SimpleNamespace(config=lambda: {"type": "ring", "rate": 0.25})

    def clean_and_noisy(self, results: dict) -> tuple:
        clean = results["gt_seg_map"]
        noisy = clean.copy()
        rows, cols = np.nonzero(clean != 255)
        chosen = rows[: 1 + results["index"]], cols[: 1 + results["index"]]
        noisy[chosen] = (noisy[chosen] + 1) % 3
        return clean, noisy

    def __call__(self, results: dict) -> dict:
        raise AssertionError("the hook compares masks, it does not run the transform")


class Later:
    """Comes after the corruption."""

    def __call__(self, results: dict) -> dict:
        raise AssertionError("the hook must stop at the corruption")


class Images(BaseDataset):
    """``count`` samples through a list of transforms."""

    def __init__(self, count: int, *transforms) -> None:
        self.count, self.asked = count, []
        super().__init__(pipeline=list(transforms))

    def load_data_list(self) -> list:
        return [{"index": index} for index in range(self.count)]

    def get_data_info(self, idx: int) -> dict:
        self.asked.append(idx)
        return super().get_data_info(idx)


class Runner:
    """As much of a runner as the hook uses."""

    def __init__(self, work_dir, dataset) -> None:
        self.work_dir = str(work_dir)
        self.train_dataloader = SimpleNamespace(dataset=dataset)
        self.logger = logging.getLogger("test_noise_statistics_hook")


def run_hook(work_dir, dataset, **config) -> list:
    HOOKS.build({"type": "anl_seg.NoiseStatisticsHook", **config}).before_train(
        Runner(work_dir, dataset)
    )
    return json.loads((work_dir / "noise_statistics.json").read_text())["datasets"]


def test_counts_of_all_samples(tmp_path):
    (record,) = run_hook(tmp_path, Images(6, Load(), Corrupt(), Later()))
    statistics = record.pop("statistics")
    assert record == {
        "index": 0,
        "noise": {"type": "ring", "rate": 0.25},
        "seed": 7,
        "num_classes": 3,
        "ignore_index": 255,
        "samples_counted": 6,
        "samples_total": 6,
    }
    valid = sum(30 - (1 + index % 3) for index in range(6))
    changed = sum(1 + index for index in range(6))
    assert statistics["valid_pixels"] == valid
    assert statistics["changed_pixels"] == changed
    confusion = np.array(statistics["confusion"])
    assert confusion[0, 1] + confusion[1, 2] + confusion[2, 0] == changed
    assert list(tmp_path.iterdir()) == [tmp_path / "noise_statistics.json"]


@pytest.mark.parametrize(
    ("most", "indices"), [(None, list(range(10))), (3, [0, 3, 6]), (1, [0]), (10, list(range(10)))]
)
def test_evenly_spaced_samples(tmp_path, most, indices):
    dataset = Images(10, Load(), Corrupt())
    (record,) = run_hook(tmp_path, dataset, max_samples=most)
    assert dataset.asked == indices
    assert record["samples_counted"] == len(indices)
    assert record["samples_total"] == 10
    assert record["statistics"]["changed_pixels"] == sum(1 + index for index in indices)


def test_default_is_two_hundred(tmp_path):
    (record,) = run_hook(tmp_path, Images(201, Load(), Corrupt()))
    assert record["samples_counted"] == 200


def test_wrapped_datasets(tmp_path):
    first, second = Images(4, Load(), Corrupt(1)), Images(3, Load(), Corrupt(2))
    balanced = SimpleNamespace(dataset=RepeatDataset(second, 5))  # as ClassBalancedDataset
    mixed = MultiImageMixDataset(ConcatDataset([first, Images(2, Load())]), pipeline=[])
    first.asked.clear()
    second.asked.clear()
    records = run_hook(tmp_path, SimpleNamespace(datasets=[mixed, balanced]))
    assert [(r["index"], r["seed"], r["samples_counted"]) for r in records] == [
        (0, 1, 4),
        (2, 2, 3),
    ]
    assert first.asked == [0, 1, 2, 3]
    assert second.asked == [0, 1, 2]


def test_filtered_samples_are_not_counted(tmp_path):
    class Filter:
        def __call__(self, results: dict) -> dict | None:
            return None if results["index"] % 2 else results

    (record,) = run_hook(tmp_path, Images(5, Load(), Filter(), Load(), Corrupt()))
    assert record["samples_counted"] == 3
    assert record["samples_total"] == 5
    assert record["statistics"]["changed_pixels"] == 1 + 3 + 5


def test_without_noise_one_line_and_no_file(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        NoiseStatisticsHook().before_train(Runner(tmp_path, Images(3, Load())))
    assert [record.message for record in caplog.records] == [
        "NoiseStatisticsHook: no training dataset corrupts its masks."
    ]
    assert list(tmp_path.iterdir()) == []


def test_random_state_is_left_as_found(tmp_path):
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()

    def seed():
        random.seed(1), np.random.seed(2), torch.manual_seed(3)

    seed()
    expected = draws()
    seed()
    run_hook(tmp_path, Images(3, Load(), Corrupt()))
    assert draws() == expected


@pytest.mark.parametrize("value", [0, -3, 2.0, True, "5"])
def test_bad_max_samples(value):
    with pytest.raises(ValueError, match=f"max_samples.*{value!r}"):
        NoiseStatisticsHook(max_samples=value)
