"""StopOnDivergenceHook: at which iteration it ends a training, and what it lets pass."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from anl_seg.engine.hooks import StopOnDivergenceHook
from anl_seg.registry import HOOKS


@DATASETS.register_module(name="StopOnDivergencePoints", force=True)
class Points(Dataset):
    metainfo: ClassVar = {"classes": ("a",)}

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.ones(1)


class Net(BaseModel):
    """Its loss is the next of a list."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.body = nn.Linear(1, 1)
        self.losses, self.done = losses, 0

    def forward(self, inputs, mode="tensor"):
        loss = self.losses[self.done]
        self.done += 1
        # The gradient is zero whatever the loss is, so that only the hook ends the training.
        return {"loss": self.body.weight.sum() * 0 + loss}


def train(work_dir, losses: list[float], checkpoints: int = 100, **hook) -> Net:
    model = Net(losses)
    Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=1,
            dataset=dict(type="StopOnDivergencePoints"),
            sampler=dict(type="DefaultSampler", shuffle=False),
            num_workers=0,
        ),
        train_cfg=dict(by_epoch=False, max_iters=len(losses)),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=checkpoints)
        ),
        custom_hooks=[dict(type="anl_seg.StopOnDivergenceHook", **hook)],
        experiment_name=f"{work_dir.parent.name}_{work_dir.name}",
        log_level="ERROR",
        default_scope="mmengine",
    ).train()
    return model


def losses(*bad: int, value: float = math.nan, count: int = 20) -> list[float]:
    return [value if i + 1 in bad else 1.0 for i in range(count)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_iteration_is_named(tmp_path, value):
    with pytest.raises(FloatingPointError, match=f"diverged: loss is {value} at iteration 7$"):
        train(tmp_path / "run", losses(7, 8, 9, value=value))


@pytest.mark.parametrize(("interval", "ended"), [(1, 7), (4, 8), (10, 10), (50, 20)])
def test_it_is_read_at_every_interval_and_at_the_end(tmp_path, monkeypatch, interval, ended):
    done = []
    after = StopOnDivergenceHook.after_train_iter

    def counted(self, runner, *args, **kwargs):
        done.append(runner.iter + 1)
        after(self, runner, *args, **kwargs)

    monkeypatch.setattr(StopOnDivergenceHook, "after_train_iter", counted)
    with pytest.raises(FloatingPointError):
        train(tmp_path / "run", losses(7), interval=interval)
    assert done[-1] == ended


def test_finite_losses_pass(tmp_path):
    assert train(tmp_path / "run", losses()).done == 20


def test_no_checkpoint_holds_what_came_after(tmp_path):
    with pytest.raises(FloatingPointError, match=r"iteration 7$"):
        train(tmp_path / "run", losses(7), checkpoints=5, interval=50)
    assert [p.name for p in (tmp_path / "run").glob("*.pth")] == ["iter_5.pth"]


def test_patience_lets_single_ones_pass(tmp_path):
    assert train(tmp_path / "a", losses(3, 5, 6, 9), patience=3, interval=1).done == 20
    with pytest.raises(FloatingPointError, match=r"iteration 5$"):
        train(tmp_path / "b", losses(3, 5, 6, 7), patience=3, interval=1)


def test_a_loss_of_another_rank_is_told(tmp_path, monkeypatch):
    from anl_seg.engine.hooks import stop_on_divergence_hook

    def other_rank(tensor, op):
        assert op == "max"
        tensor.fill_(3.0)

    monkeypatch.setattr(stop_on_divergence_hook, "all_reduce", other_rank)
    told = "diverged: loss is on another rank not finite at iteration 3"
    with pytest.raises(FloatingPointError, match=told):
        train(tmp_path / "run", losses())


@pytest.mark.parametrize("name", ["interval", "patience"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got {value}"):
        HOOKS.build(dict(type="anl_seg.StopOnDivergenceHook", **{name: value}))
