"""The memorization record of a real run, recomputed from its checkpoints pixel by pixel."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from anl_seg.config import inject_noise, load_config, measure_memorization
from anl_seg.datasets._shapes import draw_sample

ROOT = Path(__file__).parents[2]
KEYS = ("wrong", "memorized", "corrected", "other", "right", "right_correct")
EDGES = (2, 4, 8, 16)
LENGTH, SIDE = 4, 32


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A U-Net trained for 60 iterations on four images with most pixels of an outline wrong."""
    work_dir = tmp_path_factory.mktemp("run")
    cfg = load_config(str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"))
    cfg.train_cfg.update(max_iters=60, val_interval=30)
    cfg.default_hooks.checkpoint.update(interval=30, max_keep_ckpts=-1)
    for name, length in (("train", LENGTH), ("val", 2)):
        loader = cfg[f"{name}_dataloader"]
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(length=length, size=(SIDE, SIDE))
    noise = dict(
        type="SequentialNoise",
        noises=[dict(type="DilateNoise", beta=0.7), dict(type="SymmetricNoise", rate=0.2)],
    )
    inject_noise(cfg, noise, seed=3, keep_clean=True)
    measure_memorization(cfg, interval=1)
    cfg.work_dir = str(work_dir)
    Runner.from_cfg(cfg).train()
    return cfg, work_dir


def prediction(model, image):
    """Classes of a (3, H, W) uint8 BGR image, by the layers alone."""
    pixels = (image.flip(0).float()[None] - 127.5) / 64.0
    scores = model.decode_head(model.backbone(pixels))
    assert scores.shape[2:] == image.shape[1:]
    return scores[0].argmax(dim=0).tolist()


def distances(clean):
    """Distance of each pixel to the nearest one of another class, over all pairs."""
    pixels = [(y, x) for y in range(SIDE) for x in range(SIDE)]
    groups = {}
    for y, x in pixels:
        groups.setdefault(clean[y][x], []).append((y, x))
    found = {}
    for y, x in pixels:
        others = [p for label, group in groups.items() if label != clean[y][x] for p in group]
        found[y, x] = math.sqrt(min(((y - v) ** 2 + (x - u) ** 2 for v, u in others), default=1e9))
    return found


def count(into, group, outcome):
    counts = into.setdefault(group, dict.fromkeys(KEYS, 0))
    for key in outcome:
        counts[key] += 1


@torch.no_grad()
def recomputed(cfg, checkpoint):
    """Counts of all pixels, by bin of distance and by clean class."""
    init_default_scope("mmseg")
    model = MODELS.build(cfg.model)
    weights = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    model.load_state_dict(weights)
    model.eval()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    total, by_distance, by_class = {}, {}, {}
    for index in range(len(dataset)):
        sample = dataset[index]
        noisy = sample["data_samples"].gt_sem_seg.data[0].tolist()
        clean = sample["data_samples"].gt_sem_seg_clean.data[0].tolist()
        info = dataset.get_data_info(index)
        drawn = draw_sample(info["seed"], info["split"], info["index"], info["size"])[1]
        assert drawn.tolist() == clean
        predicted = prediction(model, sample["inputs"])
        distance = distances(clean)
        for y in range(SIDE):
            for x in range(SIDE):
                p, n, c = predicted[y][x], noisy[y][x], clean[y][x]
                if n == c:
                    outcome = ["right", "right_correct"] if p == c else ["right"]
                elif p == n:
                    outcome = ["wrong", "memorized"]
                elif p == c:
                    outcome = ["wrong", "corrected"]
                else:
                    outcome = ["wrong", "other"]
                count(total, None, outcome)
                count(by_distance, sum(distance[y, x] >= edge for edge in EDGES), outcome)
                count(by_class, c, outcome)
    return total[None], by_distance, by_class


@pytest.mark.parametrize("step", [30, 60])
def test_record_equals_the_stored_weights(run, step):
    cfg, work_dir = run
    records = json.loads((work_dir / "memorization.json").read_text())
    assert [record["step"] for record in records] == [30, 60]
    record = next(record for record in records if record["step"] == step)
    total, by_distance, by_class = recomputed(cfg, work_dir / f"iter_{step}.pth")
    none = dict.fromkeys(KEYS, 0)
    assert {key: record[key] for key in KEYS} == total
    assert total["wrong"] + total["right"] == LENGTH * SIDE * SIDE
    assert min(total.values()) > 0
    assert len(record["by_distance"]) == 5
    for index, part in enumerate(record["by_distance"]):
        assert {key: part[key] for key in KEYS} == by_distance.get(index, none)
    assert len(record["by_class"]) == 6
    for label, part in enumerate(record["by_class"]):
        assert {key: part[key] for key in KEYS} == by_class.get(label, none)
    for entry in (record, *record["by_distance"], *record["by_class"]):
        for key in ("memorized", "corrected", "other"):
            expected = entry[key] / entry["wrong"] if entry["wrong"] else None
            assert entry[f"{key}_share"] == expected
    # There is something to tell apart.
    assert len([part for part in record["by_distance"] if part["wrong"]]) >= 3
    assert len([part for part in record["by_class"] if part["wrong"]]) >= 3
