"""MemorizationHook in small real runs, against a loop over pixels."""

from __future__ import annotations

import copy
import faulthandler
import json
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data import Dataset

from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.hooks import MemorizationHook

SHARES = ("memorized_share", "corrected_share", "other_share", "right_correct_share")


def masks(index: int) -> tuple:
    """The image, noisy and clean mask (1, 6, 7) of one sample, with some pixels ignored."""
    rng = np.random.RandomState(index)
    clean = rng.randint(0, 3, (1, 6, 7))
    noisy = np.where(rng.rand(1, 6, 7) < 0.4, rng.randint(0, 3, (1, 6, 7)), clean)
    clean[rng.rand(1, 6, 7) < 0.1] = noisy[rng.rand(1, 6, 7) < 0.1] = 255
    return rng.randint(0, 3, (1, 6, 7)), noisy, clean


@DATASETS.register_module(name="MemorizationHookNoisyImages", force=True)
class NoisyImages(Dataset):
    """Seven ready-made samples (seven: not a multiple of batch size or ranks)."""

    metainfo: ClassVar = {"classes": ("a", "b", "c")}

    def __init__(self, clean: bool = True, agree: bool = False, crop: int = 7) -> None:
        self.clean, self.agree, self.crop = clean, agree, crop

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> dict:
        image, noisy, clean = (torch.from_numpy(mask) for mask in masks(index))
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=(clean if self.agree else noisy)[..., : self.crop])
        if self.clean:
            sample.gt_sem_seg_clean = PixelData(data=clean[..., : self.crop])
        return {"inputs": image, "data_samples": sample}


class Shift(BaseModel):
    """Predicts (image + iterations trained) mod 3 in eval mode, nonsense in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("trained", torch.zeros((), dtype=torch.int64))
        self.part = nn.BatchNorm2d(1)
        self.noise = []

    def forward(self, inputs, data_samples, mode="tensor"):
        if mode == "loss":
            assert self.training
            self.trained += 1
            self.noise.append(torch.rand(1).item() + random.random() + np.random.rand())
            return {"loss": self.weight.sum()}
        assert not torch.is_grad_enabled()
        for image, sample in zip(inputs, data_samples):
            data = (image + self.trained) % 3 if not self.training else torch.full_like(image, -1)
            sample.pred_sem_seg = PixelData(data=data)
        return data_samples


def expected_record(step: int) -> dict:
    counts = dict.fromkeys(
        ("wrong", "memorized", "corrected", "other", "right", "right_correct"), 0
    )
    for index in range(7):
        image, noisy, clean = masks(index)
        for i, n, c in zip(image.ravel(), noisy.ravel(), clean.ravel()):
            p = (i + step) % 3
            if n == 255 or c == 255:
                continue
            if n == c:
                counts["right"] += 1
                counts["right_correct"] += int(p == c)
                continue
            counts["wrong"] += 1
            counts["memorized" if p == n else "corrected" if p == c else "other"] += 1
    shares = {
        f"{key}_share": counts[key] / counts["wrong"] for key in ("memorized", "corrected", "other")
    }
    shares["right_correct_share"] = counts["right_correct"] / counts["right"]
    return {"step": step, **counts, **shares}


def valid_pixels(step: int, edges=(2, 4, 8, 16)):
    """(prediction, noisy, clean, bin of the distance) of each counted pixel, by looking at all pairs."""
    for index in range(7):
        image, noisy, clean = (mask[0] for mask in masks(index))
        for y, x in np.ndindex(clean.shape):
            if 255 in (noisy[y, x], clean[y, x]):
                continue
            distance = min(
                (
                    np.hypot(y - v, x - u)
                    for v, u in np.ndindex(clean.shape)
                    if clean[v, u] not in (255, clean[y, x])
                ),
                default=np.inf,
            )
            yield (
                (image[y, x] + step) % 3,
                noisy[y, x],
                clean[y, x],
                sum(distance >= e for e in edges),
            )


def part(name: dict, pixels: list) -> dict:
    """Counts and shares of (prediction, noisy, clean) triples."""
    wrong = [(p, n, c) for p, n, c in pixels if n != c]
    right = [(p, n, c) for p, n, c in pixels if n == c]
    counts = {
        "wrong": len(wrong),
        "memorized": sum(p == n for p, n, _ in wrong),
        "corrected": sum(p == c for p, _, c in wrong),
        "other": sum(p not in (n, c) for p, n, c in wrong),
        "right": len(right),
        "right_correct": sum(p == c for p, _, c in right),
    }
    shares = {
        f"{key}_share": counts[key] / len(wrong) if wrong else None
        for key in ("memorized", "corrected", "other")
    }
    shares["right_correct_share"] = counts["right_correct"] / len(right) if right else None
    return {**name, **counts, **shares}


def expected_by_distance(step: int) -> list:
    pixels = list(valid_pixels(step))
    ranges = [(1, 2), (2, 4), (4, 8), (8, 16), (16, None)]
    return [
        part({"low": low, "high": high}, [p[:3] for p in pixels if p[3] == i])
        for i, (low, high) in enumerate(ranges)
    ]


def expected_by_class(step: int) -> list:
    pixels = list(valid_pixels(step))
    return [
        part({"class": name}, [p[:3] for p in pixels if p[2] == k]) for k, name in enumerate("abc")
    ]


def loader(**dataset) -> dict:
    return {
        "batch_size": 2,
        "num_workers": 0,
        "dataset": {"type": "MemorizationHookNoisyImages", **dataset},
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }


def make_runner(work_dir, iters: int, hooks: list, by_epoch: bool = False, **extra) -> Runner:
    train_cfg = {"by_epoch": False, "max_iters": iters, "val_interval": 1}
    if by_epoch:
        train_cfg = {"by_epoch": True, "max_epochs": iters, "val_interval": 1}
    return Runner(
        model=Shift(),
        work_dir=str(work_dir),
        train_dataloader={**loader(), "sampler": {"type": "DefaultSampler", "shuffle": True}},
        val_dataloader=loader(),
        train_cfg=train_cfg,
        val_cfg={},
        val_evaluator={"type": "mmseg.IoUMetric"},
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
        default_hooks={
            "logger": {"type": "LoggerHook", "log_metric_by_epoch": False},
            "checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": by_epoch},
        },
        log_processor={"by_epoch": by_epoch},
        custom_hooks=hooks,
        experiment_name=f"{Path(work_dir).parent.name}_{Path(work_dir).name}_{iters}",
        log_level="INFO",
        randomness={"seed": 1},
        **extra,
    )


def hook(**config) -> dict:
    config.setdefault("dataloader", loader())
    return {"type": "anl_seg.MemorizationHook", **config}


def read_records(work_dir) -> list:
    return json.loads((Path(work_dir) / "memorization.json").read_text())


def assert_records(work_dir, steps: list) -> None:
    records = read_records(work_dir)
    assert [record["step"] for record in records] == steps
    for record in records:
        assert record.pop("epoch") >= 0
        assert record.pop("by_distance") == expected_by_distance(record["step"])
        assert record.pop("by_class") == expected_by_class(record["step"])
        assert record == expected_record(record["step"])


def test_after_training_only(tmp_path, capsys):
    make_runner(tmp_path, 2, [hook()]).train()
    assert_records(tmp_path, [2])
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    (line,) = (line for line in lines if "memorized_share" in line)
    expected = expected_record(2)
    assert line == {"step": 2, **{key: expected[key] for key in SHARES}}
    assert min(expected.values()) > 0
    told = f"Memorization at iteration 2: {expected['wrong']} wrongly and {expected['right']} "
    (log,) = tmp_path.glob("*/*.log")
    assert told in log.read_text()
    assert f"memorized {100 * expected['memorized_share']:.2f} %" in log.read_text()
    assert os.listdir(tmp_path).count("memorization.json") == 1
    assert not list(tmp_path.glob("*.tmp"))


def test_every_second_validation_and_the_end(tmp_path):
    make_runner(tmp_path, 5, [hook(interval=2)]).train()
    assert_records(tmp_path, [2, 4, 5])


class BySign(Shift):
    """Predicts image + 1 once training has moved the weight far enough, before that the image."""

    def forward(self, inputs, data_samples, mode="tensor"):
        self.trained.fill_(int(self.weight < -0.15))
        return super().forward(inputs, data_samples, mode)


def test_averaged_weights_are_measured_where_validation_evaluates_them(tmp_path):
    average = {"type": "EMAHook", "ema_type": "ExponentialMovingAverage", "momentum": 1e-9}
    for name, hooks, shift in (("plain", [], 1), ("averaged", [average], 0)):
        runner = make_runner(tmp_path / name, 4, [*hooks, hook()])
        runner.model = BySign()
        runner.train()
        (record,) = read_records(tmp_path / name)
        expected = expected_record(shift)
        assert {key: record[key] for key in expected if key != "step"} == {
            key: value for key, value in expected.items() if key != "step"
        }
        # Training goes on with its own weights.
        torch.testing.assert_close(runner.model.weight.detach(), torch.tensor([-0.4]))


def test_no_second_measurement_of_the_last_validation(tmp_path, monkeypatch):
    measured = []
    original = MemorizationHook._measure

    def counting(self, runner):
        measured.append(runner.iter)
        return original(self, runner)

    monkeypatch.setattr(MemorizationHook, "_measure", counting)
    make_runner(tmp_path, 2, [hook(interval=1)]).train()
    assert measured == [1, 2]


def test_by_epoch(tmp_path):
    make_runner(tmp_path, 3, [hook(interval=2)], by_epoch=True).train()
    assert_records(tmp_path, [8, 12])
    assert [record["epoch"] for record in read_records(tmp_path)] == [2, 3]


def test_resume_continues_the_list(tmp_path):
    allow_mmengine_checkpoints()
    make_runner(tmp_path, 5, [hook(interval=2)]).train()
    middle = str(tmp_path / "iter_3.pth")
    make_runner(tmp_path, 7, [hook(interval=2)], load_from=middle, resume=True).train()
    # 5 belonged to the training after iteration 3 that has been redone.
    assert_records(tmp_path, [2, 4, 6, 7])


def test_fresh_run_in_an_old_work_dir_starts_anew(tmp_path):
    make_runner(tmp_path, 3, [hook(interval=1)]).train()
    make_runner(tmp_path, 1, [hook(interval=1)]).train()
    assert_records(tmp_path, [1])


def test_training_is_the_same_with_and_without(tmp_path):
    with_hook = make_runner(tmp_path / "with", 4, [hook(interval=1)])
    with_hook.train()
    without = make_runner(tmp_path / "without", 4, [])
    without.train()
    assert len(without.model.noise) == 4
    assert with_hook.model.noise == without.model.noise


def test_modes_are_left_as_found(tmp_path):
    runner = make_runner(tmp_path, 1, [hook()])
    runner.train()
    (measuring,) = (hook for hook in runner.hooks if isinstance(hook, MemorizationHook))
    for whole, part in ((True, False), (False, True)):
        runner.model.train(whole)
        runner.model.part.train(part)
        measuring._measure(runner)
        assert (runner.model.training, runner.model.part.training) == (whole, part)


def test_standalone_validation_measures_nothing(tmp_path):
    runner = make_runner(tmp_path, 1, [hook(interval=1)])
    runner.val()
    assert not (tmp_path / "memorization.json").exists()


def test_shares_of_no_wrong_pixel_are_null(tmp_path):
    make_runner(tmp_path, 1, [hook(dataloader=loader(agree=True))]).train()
    (record,) = read_records(tmp_path)
    assert record["wrong"] == 0
    assert record["right"] > 0
    assert [record[key] for key in SHARES[:3]] == [None] * 3
    assert record["right_correct_share"] == record["right_correct"] / record["right"]
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    (line,) = (line for line in scalars.read_text().splitlines() if "correct_share" in line)
    assert json.loads(line) == {"step": 1, "right_correct_share": record["right_correct_share"]}


def test_missing_clean_mask_stops_before_training(tmp_path):
    runner = make_runner(tmp_path, 1, [hook(dataloader=loader(clean=False))])
    with pytest.raises(ValueError, match="keep_clean=True"):
        runner.train()
    assert runner.iter == 0


def test_masks_of_another_size_than_the_prediction(tmp_path):
    runner = make_runner(tmp_path, 1, [hook(dataloader=loader(crop=5))])
    with pytest.raises(ValueError, match=r"\(1, 6, 7\), \(1, 6, 5\).*resize before"):
        runner.train()


def test_parts_add_up_and_other_edges(tmp_path):
    make_runner(tmp_path, 1, [hook(distance_edges=(1.5,))]).train()
    (record,) = read_records(tmp_path)
    pixels = list(valid_pixels(1, (1.5,)))
    assert record["by_distance"] == [
        part({"low": low, "high": high}, [p[:3] for p in pixels if p[3] == i])
        for i, (low, high) in enumerate([(1, 1.5), (1.5, None)])
    ]
    for key in ("wrong", "memorized", "corrected", "other", "right", "right_correct"):
        for parts in (record["by_distance"], record["by_class"]):
            assert sum(entry[key] for entry in parts) == record[key] > 0


def test_dataset_without_class_names(tmp_path, monkeypatch):
    monkeypatch.setattr(NoisyImages, "metainfo", {})
    runner = make_runner(tmp_path, 1, [hook()])
    runner._val_evaluator = None
    runner._val_loop = runner._val_dataloader = None
    runner.train()
    (record,) = read_records(tmp_path)
    assert record.pop("by_class") is None
    assert record["by_distance"] == expected_by_distance(1)


def test_clean_label_that_is_no_class(tmp_path, monkeypatch):
    monkeypatch.setattr(NoisyImages, "metainfo", {"classes": ("a", "b")})
    with pytest.raises(ValueError, match="labels from 0 to 2, but its dataset names 2 classes"):
        make_runner(tmp_path, 1, [hook()]).train()


@pytest.mark.parametrize("edges", [(), (1, 2), (4, 2), (2, float("inf"))])
def test_bad_edges(edges):
    with pytest.raises(ValueError, match="distance edges"):
        MemorizationHook(loader(), distance_edges=edges)


@pytest.mark.parametrize("interval", [0, -1, 1.0, True, "2"])
def test_bad_interval(interval):
    with pytest.raises(ValueError, match=f"interval.*{interval!r}"):
        MemorizationHook(loader(), interval=interval)


def test_bad_dataloaders():
    with pytest.raises(ValueError, match="dataset"):
        MemorizationHook({"batch_size": 2})
    with pytest.raises(ValueError, match="dataloader config"):
        MemorizationHook(None)
    with pytest.raises(ValueError, match="InfiniteSampler"):
        MemorizationHook({**loader(), "sampler": {"type": "InfiniteSampler"}})
    with pytest.raises(ValueError, match="drop_last"):
        MemorizationHook({**loader(), "drop_last": True})


def test_config_is_left_alone_and_may_lack_a_sampler(tmp_path):
    config = loader()
    del config["sampler"]
    kept = copy.deepcopy(config)
    make_runner(tmp_path, 1, [hook(dataloader=config)]).train()
    assert config == kept
    assert_records(tmp_path, [1])


def run_one_rank(rank: int, folder: str) -> None:
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=40),  # where the other rank has failed
    )

    class FakeRunner:
        """As much of a runner as the hook uses; mmengine's own would need a launcher."""

        seed, iter, epoch, work_dir = 0, 1, 0, folder
        hooks = ()
        model = Shift()
        logger = visualizer = None

    class Sink:
        """Takes lines and scalars."""

        def info(self, text: str) -> None:
            pass

        def add_scalars(self, scalars: dict, step: int) -> None:
            pass

    FakeRunner.logger = FakeRunner.visualizer = Sink()
    FakeRunner.model.trained += 1
    measuring = MemorizationHook(loader())
    measuring.before_train(FakeRunner)
    measuring.after_train(FakeRunner)
    (Path(folder) / f"share_{rank}").write_text(str(len(measuring._loader.sampler)))
    # torch frees a gloo group with the GIL held, which now and then waits forever for a thread
    # that wants the GIL: end without freeing it, once the other rank needs this one no more.
    while not (Path(folder) / f"share_{1 - rank}").exists():
        time.sleep(0.01)
    os._exit(0)


@pytest.mark.process
def test_two_ranks_count_every_sample_once(tmp_path):
    # This file as a script: how pytest names the module must not matter.
    command = [sys.executable, __file__]
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    try:
        errors = [rank.communicate(timeout=90)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(errors)
    assert [(tmp_path / f"share_{rank}").read_text() for rank in (0, 1)] == ["4", "3"]
    assert_records(tmp_path, [1])


if __name__ == "__main__":
    faulthandler.dump_traceback_later(80, exit=True)
    torch.set_num_threads(1)
    run_one_rank(int(sys.argv[1]), sys.argv[2])
