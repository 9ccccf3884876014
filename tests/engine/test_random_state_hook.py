"""RandomStateHook: a model with dropout that is resumed ends with the weights of one that was not."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.hooks.random_state_hook import KEY


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
        train_cfg={
            "by_epoch": by_epoch,
            "max_epochs" if by_epoch else "max_iters": last,
            "val_interval": val_interval,
        },
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
