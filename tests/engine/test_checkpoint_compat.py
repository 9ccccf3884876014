"""Resuming mmengine runs, which needs ``allow_mmengine_checkpoints`` on mmengine 0.10.7."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner, load_checkpoint
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import nn
from torch.utils.data import Dataset

from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints

NEW_TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)
NEEDED = NEW_TORCH and not hasattr(mmengine_checkpoint, "_safe_torch_load")


class Points(Dataset):
    """Sixteen fixed pairs of three inputs and one target."""

    metainfo: ClassVar = {
        "classes": ("a", "b"),
        "palette": np.arange(6, dtype=np.uint8).reshape(2, 3),
    }

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        return {
            "x": torch.randn(3, generator=generator),
            "y": torch.randn(1, generator=generator),
        }


class OneLayer(BaseModel):
    """A linear regression."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        for param in self.parameters():
            nn.init.constant_(param, 0.25)

    def forward(self, x: list, y: list, mode: str = "tensor") -> dict:
        assert mode == "loss"
        return {"loss": ((self.layer(torch.stack(x)) - torch.stack(y)) ** 2).mean()}


def make_runner(work_dir, iters: int, **extra) -> Runner:
    return Runner(
        model=OneLayer(),
        work_dir=str(work_dir),
        train_dataloader={
            "batch_size": 2,
            "num_workers": 0,
            "dataset": Points(),
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        },
        train_cfg={"by_epoch": False, "max_iters": iters},
        optim_wrapper={
            "type": "anl_seg.L1OptimWrapper",
            "l1_weight": 1e-3,
            "optimizer": {"type": "Adam", "lr": 0.05},
            "clip_grad": {"max_norm": 1.0},
        },
        param_scheduler=[
            {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 2, "by_epoch": False},
            {"type": "MultiStepLR", "milestones": [3], "by_epoch": False},
        ],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False}},
        randomness={"seed": 3},
        experiment_name=f"{work_dir.parent.name}_{work_dir.name}_{iters}",
        log_level="WARNING",
        **extra,
    )


def test_resumed_run_equals_whole_run_bit_by_bit(tmp_path):
    assert allow_mmengine_checkpoints() is NEEDED
    whole = make_runner(tmp_path / "whole", 4)
    whole.train()

    middle = str(tmp_path / "whole" / "iter_2.pth")
    resumed = make_runner(tmp_path / "resumed", 4, load_from=middle, resume=True)
    assert torch.load(middle, weights_only=False)["meta"]["iter"] == 2
    resumed.train()

    assert resumed.iter == 4
    start = OneLayer().state_dict()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])
        assert not torch.equal(value, start[name])
    for key in ("train/loss", "train/loss_l1", "train/grad_norm", "train/lr"):
        history = whole.message_hub.get_scalar(key).data[0]
        assert len(history) == 4
        np.testing.assert_array_equal(resumed.message_hub.get_scalar(key).data[0], history)


def test_checkpoint_is_loaded_into_a_model(tmp_path):
    allow_mmengine_checkpoints()
    runner = make_runner(tmp_path / "run", 2)
    runner.train()
    model = OneLayer()
    content = load_checkpoint(model, str(tmp_path / "run" / "iter_2.pth"), map_location="cpu")
    assert torch.equal(model.layer.weight, runner.model.layer.weight)
    assert content["meta"]["iter"] == 2
    palette = content["meta"]["dataset_meta"]["palette"]
    np.testing.assert_array_equal(palette, Points.metainfo["palette"])
    buffer = content["message_hub"]["log_scalars"]["train/loss"]
    assert buffer.mean() == runner.message_hub.get_scalar("train/loss").mean()


@pytest.mark.process
@pytest.mark.skipif(not NEEDED, reason="this mmengine loads its checkpoints by itself")
def test_without_it_loading_fails_and_with_it_one_message_tells(tmp_path):
    """In a process of its own: registering lasts."""
    torch.save({"buffer": HistoryBuffer([1.0], [1])}, tmp_path / "checkpoint.pth")
    code = f"""
import pickle
from mmengine.logging import MMLogger
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import _load_checkpoint
from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
MMLogger.get_instance("test", log_level="INFO")
path = {str(tmp_path / "checkpoint.pth")!r}
try:
    _load_checkpoint(path)
except pickle.UnpicklingError:
    print("refused")
assert allow_mmengine_checkpoints() and allow_mmengine_checkpoints()
print(_load_checkpoint(path)["buffer"].current())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    lines = done.stdout.splitlines()
    assert "refused" in lines
    assert lines[-1] == "1.0"
    assert (done.stdout + done.stderr).count("registered HistoryBuffer") == 1


class Lookup:
    """Pickles as ``getattr(HistoryBuffer, '__init__')``."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, "__init__")


@pytest.mark.skipif(not NEEDED, reason="nothing is registered")
def test_getattr_is_not_opened_to_checkpoints(tmp_path):
    allow_mmengine_checkpoints()
    torch.save(Lookup(), tmp_path / "crafted.pth")
    with pytest.raises((pickle.UnpicklingError, ValueError), match="refused to look up '__init__'"):
        torch.load(tmp_path / "crafted.pth", weights_only=True)


@pytest.mark.skipif(not NEEDED, reason="nothing is registered")
@pytest.mark.parametrize("dtype", ["?", "u1", "i4", "i8", "f2", "f4", "f8", "U3", "S3"])
def test_numpy_values_load(tmp_path, dtype):
    allow_mmengine_checkpoints()
    content = {"array": np.array([0, 1], dtype=dtype), "scalar": np.array([1], dtype=dtype)[0]}
    torch.save(copy.deepcopy(content), tmp_path / "values.pth")
    loaded = torch.load(tmp_path / "values.pth", weights_only=True)
    assert loaded["array"].dtype == content["array"].dtype
    np.testing.assert_array_equal(loaded["array"], content["array"])
    assert loaded["scalar"] == content["scalar"]
