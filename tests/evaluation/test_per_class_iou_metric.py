"""PerClassIoUMetric against counting pixel by pixel, and through mmengine's logs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data import Dataset

from anl_seg.evaluation import PerClassIoUMetric

# "never" occurs neither in a prediction nor in a label, "missed" only in labels.
CLASSES = ("background", "traffic light", "car/truck", "missed", "never")


def random_images(count: int = 5) -> list:
    """Pairs of a predicted and a labeled (6, 7) mask; some labels are 255."""
    rng = np.random.RandomState(3)
    images = []
    for _ in range(count):
        label = rng.choice([0, 1, 2, 3], size=(6, 7), p=[0.5, 0.2, 0.2, 0.1])
        pred = np.where(rng.rand(6, 7) < 0.6, label, rng.randint(0, 3, (6, 7)))
        pred[pred == 3] = 0
        label[rng.rand(6, 7) < 0.2] = 255
        images.append((pred, label))
    return images


def expected_values(images: list) -> dict:
    """IoU and Dice of each class in percent, one pixel after the other."""
    tp, fp, fn = ([0] * len(CLASSES) for _ in range(3))
    for pred, label in images:
        for p, t in zip(pred.ravel(), label.ravel()):
            if t == 255:
                continue
            if p == t:
                tp[t] += 1
            else:
                fp[p] += 1
                fn[t] += 1
    values = {}
    for k, name in enumerate(CLASSES):
        union = tp[k] + fp[k] + fn[k]
        key = name.replace("/", "-")
        values[f"IoU.{key}"] = 100 * tp[k] / union if union else math.nan
        values[f"Dice.{key}"] = 200 * tp[k] / (union + tp[k]) if union else math.nan
    return values


def as_sample(pred: np.ndarray, label: np.ndarray) -> dict:
    return {
        "pred_sem_seg": {"data": torch.from_numpy(pred)[None]},
        "gt_sem_seg": {"data": torch.from_numpy(label)[None]},
    }


def evaluate(images: list, classes=CLASSES, batch: int = 2, **config) -> dict:
    metric = METRICS.build({"type": "anl_seg.PerClassIoUMetric", **config})
    metric.dataset_meta = {"classes": classes}
    samples = [as_sample(*image) for image in images]
    for start in range(0, len(samples), batch):
        metric.process({}, samples[start : start + batch])
    return metric.evaluate(len(samples))


def test_equals_counting_pixels():
    images = random_images()
    metrics = evaluate(images, iou_metrics=["mIoU", "mDice"])
    expected = expected_values(images)
    for key, value in expected.items():
        assert metrics[key] == pytest.approx(value, abs=0.0051, nan_ok=True), key
    assert math.isnan(metrics["IoU.never"])
    assert metrics["IoU.missed"] == 0.0
    assert len({metrics[f"IoU.{name}"] for name in ("background", "traffic light")}) == 2
    for kind in ("IoU", "Dice"):
        per_class = [v for k, v in expected.items() if k.startswith(kind) and v == v]
        assert len(per_class) == 4
        assert metrics[f"m{kind}"] == pytest.approx(np.mean(per_class), abs=0.0051)
        assert metrics[f"m{kind}.fg"] == pytest.approx(np.mean(per_class[1:]), abs=0.0051)


@pytest.mark.parametrize("asked", ["mIoU", ["mIoU"], ["mDice"], ["mFscore"]])
def test_adds_only_what_was_asked_for_and_leaves_the_parents_values(asked):
    images = random_images()
    metrics = evaluate(images, iou_metrics=asked)
    parent = IoUMetric(iou_metrics=asked)
    parent.dataset_meta = {"classes": CLASSES}
    parent.process({}, [as_sample(*image) for image in images])
    own = parent.evaluate(len(images))
    assert {key: metrics[key] for key in own} == own
    added = set(metrics) - set(own)
    name = asked if isinstance(asked, str) else asked[0]
    if name == "mFscore":
        assert added == set()
    else:
        names = [key.replace("/", "-") for key in CLASSES]
        assert added == {f"{name}.fg", *(f"{name[1:]}.{key}" for key in names)}
    assert all(isinstance(metrics[key], float) for key in added)


def test_other_background_and_none():
    images = random_images()
    expected = expected_values(images)
    metrics = evaluate(images, background=1)
    rest = [expected[f"IoU.{name}"] for name in ("background", "car-truck", "missed")]
    assert metrics["mIoU.fg"] == pytest.approx(np.mean(rest), abs=0.0051)
    assert "mIoU.fg" not in evaluate(images, background=None)


def test_no_foreground_at_all_is_nan():
    zeros = np.zeros((3, 3), dtype=np.int64)
    metrics = evaluate([(zeros, zeros)])
    assert metrics["IoU.background"] == 100.0
    assert math.isnan(metrics["mIoU.fg"])


def test_nan_to_num_counts_in_means():
    metrics = evaluate(random_images(), nan_to_num=0)
    values = [v for k, v in expected_values(random_images()).items() if k.startswith("IoU")]
    assert metrics["IoU.never"] == 0.0
    assert metrics["mIoU.fg"] == pytest.approx(np.nansum(values[1:]) / 4, abs=0.0051)


@pytest.mark.parametrize("background", [-1, "0", True, 1.0])
def test_bad_background(background):
    with pytest.raises(ValueError, match=f"background.*{background!r}"):
        PerClassIoUMetric(background=background)


def test_background_and_names_are_checked_against_the_dataset():
    with pytest.raises(ValueError, match=r"background must be None or a class in .0, 5., got 5"):
        evaluate(random_images(), background=5)
    clash = ("a", "b/c", "b-c", "d", "e")
    with pytest.raises(ValueError, match="b-c"):
        evaluate(random_images(), classes=clash)


class Images(Dataset):
    """random_images() as mmseg samples."""

    metainfo: ClassVar = {"classes": CLASSES}

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        pred, label = random_images()[index]
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(label)[None])
        return {"inputs": torch.from_numpy(pred)[None], "data_samples": sample}


class Echo(BaseModel):
    """Predicts its input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples, mode="tensor"):
        if mode == "loss":
            return {"loss": self.weight.sum()}
        for image, sample in zip(inputs, data_samples):
            sample.pred_sem_seg = PixelData(data=image)
        return data_samples


def test_keys_arrive_in_scalars_json(tmp_path):
    loader = {
        "batch_size": 2,
        "num_workers": 0,
        "dataset": Images(),
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    runner = Runner(
        model=Echo(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg={"by_epoch": False, "max_iters": 2, "val_interval": 1},
        val_cfg={},
        val_evaluator={"type": "anl_seg.PerClassIoUMetric", "iou_metrics": ["mIoU", "mDice"]},
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
        default_hooks={
            "logger": {"type": "LoggerHook", "log_metric_by_epoch": False},
            "checkpoint": {
                "type": "CheckpointHook",
                "interval": 1,
                "by_epoch": False,
                "save_best": "mIoU.fg",
                "rule": "greater",
            },
        },
        log_processor={"by_epoch": False},
        experiment_name=tmp_path.name,
        log_level="WARNING",
    )
    runner.train()
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in Path(scalars).read_text().splitlines()]
    (first, second) = (line for line in lines if "mIoU" in line)
    assert (first["step"], second["step"]) == (1, 2)
    expected = expected_values(random_images()[:4])
    for key, value in expected.items():
        assert second[key] == pytest.approx(value, abs=0.0051, nan_ok=True)
    assert second["mIoU.fg"] < second["mIoU"]
    assert list(tmp_path.glob("best_mIoU.fg_iter_*.pth"))
