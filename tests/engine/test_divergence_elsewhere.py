"""StopOnDivergenceHook: devices without float64, running statistics, and trainings without a study."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from anl_seg.cli.train import register_hooks
from anl_seg.engine.hooks import StopOnDivergenceHook
from tests.engine.test_divergence_of_weights import Net, train
from tests.models.surroundings import NoFloat64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_no_float64_is_needed(dtype):
    hook = StopOnDivergenceHook(interval=1)
    runner = SimpleNamespace(iter=0, hooks=[])
    with NoFloat64():
        hook.after_train_iter(runner, 0, outputs={"loss": torch.ones((), dtype=dtype)})
        runner.iter = 20_000_000  # beyond what float32 counts
        loss = torch.tensor(math.nan, dtype=dtype)
        with pytest.raises(FloatingPointError, match=r"loss is nan at iteration 20000001$"):
            hook.after_train_iter(runner, 0, outputs={"loss": loss})


class Normalized(Net):
    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.norm.requires_grad_(not frozen)


@pytest.mark.parametrize("frozen", [False, True])
def test_running_statistics_are_never_meant_to_be_infinite(tmp_path, frozen):
    """Those of a checkpoint that is loaded too."""
    model = Normalized(frozen)
    model.norm.running_var[0] = math.inf
    with pytest.raises(FloatingPointError, match=r"norm.running_var is inf at iteration 0$"):
        train(tmp_path / "run", model)


def test_a_training_without_a_study_is_looked_at_too():
    hooks: list = []
    runner = SimpleNamespace(hooks=hooks, register_hook=hooks.append)
    register_hooks(runner)
    assert [hook.patience for hook in hooks if isinstance(hook, StopOnDivergenceHook)] == [10]
    hooks[:] = [StopOnDivergenceHook(patience=3)]
    register_hooks(runner)
    assert [hook.patience for hook in hooks if isinstance(hook, StopOnDivergenceHook)] == [3]
