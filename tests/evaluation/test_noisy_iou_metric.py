"""NoisyIoUMetric against PerClassIoUMetric on masks that CorruptMask corrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import METRICS

from anl_seg.datasets.transforms import CorruptMask

CLASSES = ("background", "lung", "heart")
NOISE = dict(type="SymmetricNoise", rate=0.5)


def samples(count: int = 4) -> list[dict]:
    rng = np.random.RandomState(1)
    found = []
    for index in range(count):
        label = rng.randint(0, 3, (9, 8)).astype(np.uint8)
        pred = np.where(rng.rand(9, 8) < 0.7, label, 0)
        label[0, :3] = 255
        found.append(
            {
                "seg_map_path": f"masks/{index}.png",
                "pred_sem_seg": {"data": torch.from_numpy(pred)[None]},
                "gt_sem_seg": {"data": torch.from_numpy(label)[None]},
            }
        )
    return found


def evaluate(kind: str, given: list[dict], **config) -> dict:
    metric = METRICS.build(dict(type=f"anl_seg.{kind}", iou_metrics=["mDice"], **config))
    metric.dataset_meta = {"classes": CLASSES}
    for start in range(0, len(given), 3):
        metric.process({}, given[start : start + 3])
    return metric.evaluate(len(given))


def test_equals_the_clean_metric_on_corrupted_masks():
    given = samples()
    corrupt = CorruptMask(NOISE, num_classes=3, seed=7)
    noisy = []
    for sample in given:
        mask = sample["gt_sem_seg"]["data"][0].numpy()
        results = {"gt_seg_map": mask, "seg_map_path": sample["seg_map_path"]}
        label = torch.from_numpy(corrupt.transform(results)["gt_seg_map"])[None]
        noisy.append({**sample, "gt_sem_seg": {"data": label}})
    expected = evaluate("PerClassIoUMetric", noisy)
    found = evaluate("NoisyIoUMetric", given, noise=NOISE, seed=7)
    assert found == {f"noisy/{name}": value for name, value in expected.items()}
    other = evaluate("NoisyIoUMetric", given, noise=NOISE, seed=8)
    assert other["noisy/mDice.fg"] != found["noisy/mDice.fg"]


def test_leaves_the_samples_as_they_are():
    given = samples()
    before = [sample["gt_sem_seg"]["data"].clone() for sample in given]
    evaluate("NoisyIoUMetric", given, noise=NOISE)
    for sample, label in zip(given, before):
        assert torch.equal(sample["gt_sem_seg"]["data"], label)


def test_without_noise_it_is_the_clean_metric():
    given = samples()
    found = evaluate("NoisyIoUMetric", given, prefix="again")
    expected = evaluate("PerClassIoUMetric", given)
    assert found == {f"again/{name}": value for name, value in expected.items()}


def test_wrong_noises_are_told_of_at_once():
    with pytest.raises(ValueError, match="SuperpixelNoise looks at the image"):
        evaluate("NoisyIoUMetric", [], noise=dict(type="SuperpixelNoise", n_segments=9))
    with pytest.raises(ValueError, match="rate"):
        evaluate("NoisyIoUMetric", [], noise=dict(type="SymmetricNoise", rate=2.0))
    with pytest.raises(ValueError, match="seed"):
        evaluate("NoisyIoUMetric", [], noise=NOISE, seed=-1)


def test_a_sample_needs_a_key():
    given = samples(1)
    del given[0]["seg_map_path"]
    with pytest.raises(KeyError, match="seg_map_path"):
        evaluate("NoisyIoUMetric", given, noise=NOISE)


def test_labels_that_are_no_class_are_refused():
    given = samples(1)
    given[0]["gt_sem_seg"]["data"][0, 4, 4] = 3
    with pytest.raises(ValueError, match=r"found 3 in masks/0\.png"):
        evaluate("NoisyIoUMetric", given, noise=NOISE)


CONFIG = """
_base_ = {base!r}
val_evaluator = [
    dict(type="anl_seg.PerClassIoUMetric", iou_metrics=["mDice"]),
    dict(
        type="anl_seg.NoisyIoUMetric",
        iou_metrics=["mDice"],
        noise=dict(type="SymmetricNoise", rate=0.5),
    ),
]
train_cfg = dict(max_iters=4, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2, save_best="noisy/mDice.fg"))
"""


@pytest.mark.training
def test_the_best_checkpoint_is_kept_by_it(tmp_path):
    root = Path(__file__).parents[2]
    base = root / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"
    (tmp_path / "config.py").write_text(CONFIG.format(base=str(base)))
    command = [sys.executable, str(root / "tools/train.py"), str(tmp_path / "config.py")]
    subprocess.run([*command, f"--work-dir={tmp_path / 'run'}"], check=True, capture_output=True)
    (scalars,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    lines = map(json.loads, scalars.read_text().splitlines())
    logged = {line["step"]: line for line in lines if "mDice.fg" in line}
    noisy = {step: line["noisy/mDice.fg"] for step, line in logged.items()}
    assert set(noisy) == {2, 4}
    best = max(noisy, key=noisy.get)
    (kept,) = (tmp_path / "run").glob("best_*.pth")
    assert kept.name == f"best_noisy_mDice.fg_iter_{best}.pth"
