"""RandomStateHook: a training that is resumed ends with the weights of one that was not interrupted."""

from __future__ import annotations

import copy
import random
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.hooks import random_state_hook
from anl_seg.engine.hooks.random_state_hook import GRADIENTS_KEY, KEY


@DATASETS.register_module(name="RandomStatePoints", force=True)
class Points(Dataset):
    metainfo: ClassVar = {"classes": ("a",)}

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> dict:
        return {"inputs": torch.full((8,), 1.0 + index)}


@METRICS.register_module(name="RandomStateNothing", force=True)
class Nothing(BaseMetric):
    def process(self, data_batch, data_samples) -> None:
        self.results.append(torch.rand(()))  # a metric that draws

    def compute_metrics(self, results) -> dict:
        return {"count": len(results)}


class Net(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 4)

    def forward(self, inputs, mode="tensor"):
        out = nn.functional.dropout(self.body(torch.stack(list(inputs))), 0.5, self.training)
        return {"loss": out.square().mean()} if mode == "loss" else [out]


def loader() -> dict:
    return dict(
        batch_size=2,
        num_workers=0,
        dataset=dict(type="RandomStatePoints"),
        sampler=dict(type="DefaultSampler", shuffle=True),
    )


def loop(by_epoch: bool, last: int, every: int) -> dict:
    most = "max_epochs" if by_epoch else "max_iters"
    return {"by_epoch": by_epoch, most: last, "val_interval": every}


def train(work_dir, last: int, by_epoch: bool, val_interval: int, hook: bool = True, resume=False):
    allow_mmengine_checkpoints()
    torch.manual_seed(0)
    model = Net()
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader(),
        val_dataloader=loader(),
        val_evaluator=dict(type="RandomStateNothing"),
        val_cfg=dict(),
        train_cfg=loop(by_epoch, last, val_interval),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=1e-4)),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=by_epoch, interval=2)),
        custom_hooks=[dict(type="anl_seg.RandomStateHook")] if hook else [],
        randomness=dict(seed=3),
        resume=resume,
        experiment_name=f"{work_dir.parent.name}_{work_dir.name}_{last}",
        log_level="ERROR",
        default_scope="mmengine",
    )
    runner.train()
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("by_epoch", [False, True])
def test_resumed_training_draws_what_the_whole_one_drew(tmp_path, by_epoch):
    whole = train(tmp_path / "whole", 4, by_epoch, 2)
    train(tmp_path / "parts", 2, by_epoch, 2)
    parts = train(tmp_path / "parts", 4, by_epoch, 2, resume=True)
    assert same(whole, parts)
    saved = torch.load(next((tmp_path / "whole").glob("*_4.pth")), weights_only=False)
    assert saved[KEY]["cpu"].dtype == torch.uint8


def test_without_it_they_differ(tmp_path):
    whole = train(tmp_path / "whole", 4, False, 2, hook=False)
    train(tmp_path / "parts", 2, False, 2, hook=False)
    parts = train(tmp_path / "parts", 4, False, 2, hook=False, resume=True)
    assert not same(whole, parts)


def test_validation_takes_no_random_numbers(tmp_path):
    often = train(tmp_path / "often", 4, False, 1)
    seldom = train(tmp_path / "seldom", 4, False, 4)
    assert same(often, seldom)
    assert not same(
        train(tmp_path / "a", 4, False, 1, hook=False),
        train(tmp_path / "b", 4, False, 4, hook=False),
    )


@DATASETS.register_module(name="RandomStateDraws", force=True)
class Draws(Points):
    """Draws from numpy and Python, as random transforms do."""

    def __getitem__(self, index: int) -> dict:
        return {"inputs": torch.full((8,), index + float(np.random.rand()) + random.random())}


@METRICS.register_module(name="RandomStateNumpy", force=True)
class DrawsToo(Nothing):
    def process(self, data_batch, data_samples) -> None:
        super().process(data_batch, data_samples)
        np.random.rand()
        random.random()


class StopAfter(Hook):
    """Ends a run after the validation at an iteration (or epoch), as a kill would."""

    priority = "LOWEST"

    def __init__(self, count: int) -> None:
        self.count = count

    def after_val(self, runner) -> None:
        if (runner.epoch or runner.iter) >= self.count:
            raise InterruptedError


L1 = dict(
    type="anl_seg.L1OptimWrapper",
    l1_weight=1e-3,
    accumulative_counts=4,
    clip_grad=dict(max_norm=1.0),
    optimizer=dict(type="Adam", lr=1e-2),
)
CASES = {
    "accumulation of 4, validation every 6": dict(accumulate=4),
    "accumulation of 5 with a rest at the end": dict(accumulate=5),
    "accumulation over the end of an epoch": dict(accumulate=5, by_epoch=True, last=2, every=1),
    "accumulation with L1, clipping and Adam": dict(optim_wrapper=L1),
    "accumulation with a running average": dict(accumulate=4, hooks=[dict(type="EMAHook")]),
    "transforms that draw": dict(dataset="RandomStateDraws"),
    "transforms that draw, by epochs": dict(
        dataset="RandomStateDraws", by_epoch=True, last=2, every=1
    ),
    "an infinite sampler": dict(dataset="RandomStateDraws", sampler="InfiniteSampler"),
}


def build(
    work_dir,
    *,
    accumulate=1,
    by_epoch=False,
    last=12,
    every=6,
    dataset="RandomStatePoints",
    sampler="DefaultSampler",
    hooks=(),
    optim_wrapper=None,
    resume=False,
    stop=None,
):
    allow_mmengine_checkpoints()
    torch.manual_seed(0)
    own = dict(accumulative_counts=accumulate, optimizer=dict(type="SGD", lr=1e-3, momentum=0.9))
    train_loader = {**loader(), "dataset": dict(type=dataset)}
    train_loader["sampler"] = dict(type=sampler, shuffle=True)
    stopping = [] if stop is None else [StopAfter(stop)]
    return Runner(
        model=Net(),
        work_dir=str(work_dir),
        train_dataloader=train_loader,
        val_dataloader=loader(),
        val_evaluator=dict(type="RandomStateNumpy"),
        val_cfg=dict(),
        train_cfg=loop(by_epoch, last, every),
        optim_wrapper=copy.deepcopy(optim_wrapper) or own,
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", by_epoch=by_epoch, interval=every)
        ),
        custom_hooks=[dict(type="anl_seg.RandomStateHook"), *hooks, *stopping],
        randomness=dict(seed=3),
        resume=resume,
        experiment_name=f"{work_dir.parent.name}_{work_dir.name}_{resume}",
        log_level="ERROR",
        default_scope="mmengine",
    )


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_training_ends_with_the_weights_of_a_whole_one(tmp_path, case):
    settings = CASES[case]
    whole = build(tmp_path / "whole", **settings)
    whole.train()
    with pytest.raises(InterruptedError):
        build(tmp_path / "parts", stop=settings.get("every", 6), **settings).train()
    parts = build(tmp_path / "parts", resume=True, **settings)
    parts.train()
    assert same(whole.model.state_dict(), parts.model.state_dict())


def test_gradients_are_in_a_checkpoint_only_between_updates(tmp_path):
    build(tmp_path / "run", accumulate=4, last=12, every=2).train()
    kept = {
        path.stem: GRADIENTS_KEY in torch.load(path, weights_only=False)
        for path in (tmp_path / "run").glob("*.pth")
    }
    between = {2: True, 4: False, 6: True, 8: False, 10: True, 12: False}
    assert kept == {f"iter_{number}": value for number, value in between.items()}


def test_workers_that_start_anew_are_told(tmp_path, monkeypatch):
    """Asked for without starting any: what matters is the loader's and the loop's kind."""
    runner = build(tmp_path / "run")
    told = []
    monkeypatch.setattr(random_state_hook, "print_log", lambda text, **_: told.append(text))
    monkeypatch.setattr(runner.train_dataloader, "num_workers", 2)
    runner.train_loop._iter = 6
    hook = next(h for h in runner.hooks if isinstance(h, random_state_hook.RandomStateHook))
    hook.after_load_checkpoint(runner, {KEY: random_state_hook._state()})
    fast = hasattr(runner.train_loop.dataloader_iterator, "skip_iter")
    hook.before_train_epoch(runner)
    assert [text for text in told if "num_workers=0" in text] == told
    assert bool(told) == fast


def test_what_is_no_longer_as_it_was_is_told_at_a_resume(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(random_state_hook, "print_log", lambda text, **_: told.append(text))
    train(tmp_path / "run", 2, False, 9)
    train(tmp_path / "run", 4, False, 9, resume=True)
    assert told == []
    other = {**loader(), "batch_size": 1}
    monkeypatch.setitem(train.__globals__, "loader", lambda: other)
    train(tmp_path / "run", 6, False, 9, resume=True)
    assert told == [
        "This resumed training differs from one that was not interrupted: batch_size is 1 and was 2."
    ]
