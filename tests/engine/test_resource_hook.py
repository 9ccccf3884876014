"""ResourceHook in small real runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import METRICS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from anl_seg.config import record_resources
from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.hooks.resource_hook import peak_rss_bytes

PAUSE = 0.15


class Numbers(Dataset):
    """Four numbers."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return {"inputs": torch.tensor([float(index)])}


class Slow(BaseModel):
    """Takes its time in training."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, mode="tensor"):
        if mode == "loss":
            time.sleep(PAUSE)
            return {"loss": self.weight.sum()}
        return [{}]


@METRICS.register_module(name="ResourceHookSlowMetric", force=True)
class SlowMetric(BaseMetric):
    """Takes its time in validation."""

    def process(self, data_batch, data_samples) -> None:
        self.results.append(1)

    def compute_metrics(self, results) -> dict:
        time.sleep(PAUSE)
        return {"score": 1.0}


class Reader(Hook):
    """Keeps what the file says before each iteration."""

    def __init__(self, work_dir) -> None:
        self.path = Path(work_dir) / "resources.json"
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        content = json.loads(self.path.read_text()) if self.path.exists() else None
        self.seen.append(content and content["sessions"][-1]["to_iter"])


def make_runner(work_dir, iters: int, *hooks, **extra) -> Runner:
    loader = {
        "batch_size": 2,
        "num_workers": 0,
        "dataset": Numbers(),
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    return Runner(
        model=Slow(),
        work_dir=str(work_dir),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg={"by_epoch": False, "max_iters": iters, "val_interval": 2},
        val_cfg={},
        val_evaluator={"type": "ResourceHookSlowMetric"},
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}},
        custom_hooks=[{"type": "anl_seg.ResourceHook"}, *hooks],
        log_processor={"by_epoch": False},
        experiment_name=f"{Path(work_dir).parent.name}_{Path(work_dir).name}_{iters}_{len(extra)}",
        **extra,
    )


def read(work_dir) -> dict:
    return json.loads((Path(work_dir) / "resources.json").read_text())


def test_seconds_and_memory(tmp_path):
    reader = Reader(tmp_path)
    start = time.perf_counter()
    make_runner(tmp_path, 3, reader).train()
    took = time.perf_counter() - start
    content = read(tmp_path)
    (session,) = content.pop("sessions")
    assert 4 * PAUSE <= content["seconds"] <= took
    assert PAUSE <= content["validation_seconds"] < content["seconds"] - 3 * PAUSE + 0.01
    assert session.pop("from_iter") == 0
    assert session.pop("to_iter") == 3
    assert session == content
    if torch.cuda.is_available():
        assert content["device"] == torch.cuda.get_device_name()
        assert content["peak_cuda_bytes"] >= 0
    else:
        assert content["device"] == "cpu"
        assert content["peak_cuda_bytes"] is None
    assert content["ranks"] == 1
    # Written after the validation at 2, not only at the end.
    assert reader.seen == [None, None, 2]


def test_peak_memory_is_that_of_the_process(tmp_path):
    before = peak_rss_bytes()
    with open(f"/proc/{os.getpid()}/status") as status:
        kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert before == pytest.approx(1024 * kilobytes, rel=0.05)
    block = torch.ones(before // 4 + 50_000_000)  # float32: more than before, whatever that was
    assert peak_rss_bytes() > before + 100_000_000
    del block
    make_runner(tmp_path, 1).train()
    assert read(tmp_path)["peak_rss_bytes"] >= before + 100_000_000


def test_resumed_run_adds_up(tmp_path):
    allow_mmengine_checkpoints()
    make_runner(tmp_path, 2).train()
    first = read(tmp_path)
    middle = str(tmp_path / "iter_1.pth")
    make_runner(tmp_path, 3, load_from=middle, resume=True).train()
    content = read(tmp_path)
    spans = [(s["from_iter"], s["to_iter"]) for s in content["sessions"]]
    assert spans == [(0, 2), (1, 3)]
    assert content["sessions"][0]["seconds"] == first["seconds"]
    assert content["seconds"] == pytest.approx(sum(s["seconds"] for s in content["sessions"]))
    assert content["seconds"] > first["seconds"] + 2 * PAUSE
    assert content["peak_rss_bytes"] == max(s["peak_rss_bytes"] for s in content["sessions"])


def test_fresh_run_in_an_old_work_dir_starts_anew(tmp_path):
    make_runner(tmp_path, 1).train()
    make_runner(tmp_path, 1).train()
    assert len(read(tmp_path)["sessions"]) == 1


def test_standalone_validation_writes_nothing(tmp_path):
    make_runner(tmp_path, 1).val()
    assert not (tmp_path / "resources.json").exists()


def test_added_to_a_config_once():
    cfg = Config(dict(custom_hooks=[dict(type="EMAHook")]))
    record_resources(record_resources(cfg))
    assert [hook["type"] for hook in cfg.custom_hooks] == ["EMAHook", "anl_seg.ResourceHook"]
