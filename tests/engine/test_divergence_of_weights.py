"""StopOnDivergenceHook: no checkpoint holds NaN or inf, and no run ends well with them."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import METRICS
from mmengine.runner import Runner
from torch import nn

from anl_seg.engine._finite import not_finite
from anl_seg.study.run.reasons import failure_reason, is_divergence
from tests.engine import test_stop_on_divergence_hook  # noqa: F401 - registers the data set


@METRICS.register_module(name="DivergenceNothing", force=True)
class Nothing(BaseMetric):
    def process(self, data_batch, data_samples) -> None:
        self.results.append(0)

    def compute_metrics(self, results) -> dict:
        return {"count": len(results)}


class Square(torch.autograd.Function):
    """A finite value with a gradient that may be none."""

    @staticmethod
    def forward(ctx, x, gradient):
        ctx.gradient = gradient
        return x.detach().clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.gradient, None


class Net(BaseModel):
    """Its loss is finite; what happens at iteration ``at`` is given."""

    def __init__(self, at: int = 0, gradient: float = 1.0, buffer: float = 1.0) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("mask", torch.tensor([0.0, -math.inf]))  # meant to be so
        self.register_buffer("none", torch.zeros(0))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.at, self.gradient, self.value = at, gradient, buffer

    def forward(self, *inputs, mode="tensor"):
        if mode != "loss":
            return [torch.zeros(1)]
        self.count += 1
        hit = self.count == self.at
        if hit:
            self.mean[0] = self.value
        weight = Square.apply(self.head.weight, self.gradient if hit else 1.0)
        # Only the weight that goes into the loss becomes NaN; the loss itself stays finite.
        return {"loss": torch.nan_to_num(weight).sum() + self.head.bias.sum()}


def train(
    work_dir, model, *, by_epoch=False, hook=True, iters=12, every=6, optimizer="SGD", **more
):
    more.setdefault("optim_wrapper", dict(optimizer=dict(type=optimizer, lr=0.1)))
    loader = dict(
        batch_size=1 if not by_epoch else 16,
        dataset=dict(type="StopOnDivergencePoints"),
        sampler=dict(type="DefaultSampler", shuffle=False),
        num_workers=0,
    )
    checkpoint = dict(
        type="CheckpointHook", by_epoch=by_epoch, interval=every, max_keep_ckpts=1, save_last=True
    )
    hooks = [dict(type="anl_seg.StopOnDivergenceHook", interval=1000)] if hook else []
    Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg={
            "by_epoch": by_epoch,
            "max_epochs" if by_epoch else "max_iters": iters,
            "val_interval": more.pop("val_every", 1000),
        },
        default_hooks=dict(checkpoint=checkpoint),
        custom_hooks=[*hooks, *more.pop("custom_hooks", [])],
        experiment_name=f"{work_dir.parent.name}_{work_dir.name}",
        log_level="ERROR",
        default_scope="mmengine",
        **more,
    ).train()
    return sorted(p.name for p in work_dir.glob("*.pth"))


NAN_AT = "diverged: head.weight is nan at iteration {}$"


@pytest.mark.parametrize("gradient", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_in_the_iteration_of_a_checkpoint(tmp_path, gradient):
    """The loss is finite, and the checkpoint before is kept though only one is."""
    told = NAN_AT.format(12).replace("nan", str(gradient))
    with pytest.raises(FloatingPointError, match=told) as error:
        train(tmp_path / "run", Net(12, gradient), iters=18)
    assert [p.name for p in (tmp_path / "run").glob("*.pth")] == ["iter_6.pth"]
    reason = failure_reason(1, [f"FloatingPointError: {error.value}"], tmp_path)
    assert reason == str(error.value)
    assert is_divergence(reason)


def test_a_gradient_that_is_not_finite_in_the_last_iteration(tmp_path):
    with pytest.raises(FloatingPointError, match=NAN_AT.format(9)):
        train(tmp_path / "run", Net(9, math.nan), iters=9, every=100)
    assert not list((tmp_path / "run").glob("*.pth"))
    # The case: without the hook it looks like a finished run.
    assert train(tmp_path / "without", Net(9, math.nan), iters=9, hook=False) == ["iter_9.pth"]


def test_epochs_are_looked_at_before_their_checkpoint(tmp_path):
    with pytest.raises(FloatingPointError, match=NAN_AT.format(8)):
        train(tmp_path / "run", Net(7, math.nan), by_epoch=True, iters=3, every=1)
    assert [p.name for p in (tmp_path / "run").glob("*.pth")] == ["epoch_1.pth"]


def test_no_validation_of_such_weights(tmp_path):
    validation = dict(
        val_dataloader=dict(
            batch_size=1,
            dataset=dict(type="StopOnDivergencePoints"),
            sampler=dict(type="DefaultSampler", shuffle=False),
        ),
        val_cfg=dict(),
        val_evaluator=dict(type="DivergenceNothing"),
    )
    with pytest.raises(FloatingPointError, match=NAN_AT.format(3)):
        train(tmp_path / "run", Net(3, math.nan), val_every=3, every=5000, **validation)


def test_buffers_count_unless_they_started_so(tmp_path):
    assert train(tmp_path / "a", Net()) == ["iter_12.pth"]
    with pytest.raises(FloatingPointError, match=r"diverged: mean is inf at iteration 6$"):
        train(tmp_path / "b", Net(5, buffer=math.inf))


class Spoil(Hook):
    """Puts inf into what the optimizer or the running average holds."""

    def __init__(self, what: str) -> None:
        self.what = what

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter != 4:
            return
        if self.what == "optimizer":
            state = runner.optim_wrapper.optimizer.state[runner.model.head.bias]
            state["exp_avg_sq"].fill_(math.inf)
        else:
            average = next(h.ema_model for h in runner.hooks if hasattr(h, "ema_model"))
            average.module.head.bias.data.fill_(math.nan)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("optimizer", "diverged: the optimizer's exp_avg_sq of head.bias is inf at iteration 6"),
        ("average", "diverged: the running average of head.bias is nan at iteration 6"),
    ],
)
def test_the_state_of_the_optimizer_and_running_averages_count(tmp_path, what, told):
    hooks = [Spoil(what), *([dict(type="EMAHook")] if what == "average" else [])]
    with pytest.raises(FloatingPointError, match=told):
        train(tmp_path / "run", Net(), optimizer="Adam", custom_hooks=hooks)
    assert not list((tmp_path / "run").glob("*.pth"))


def test_a_run_that_starts_with_nan_ends_at_once(tmp_path):
    model = Net()
    model.head.bias.data.fill_(math.nan)
    with pytest.raises(FloatingPointError, match=r"diverged: head.bias is nan at iteration 0$"):
        train(tmp_path / "run", model)


class Scaler:
    def is_enabled(self) -> bool:
        return True


class Skipping(OptimWrapper):
    """Skips updates by gradients that are not finite, as mixed precision with a loss scaler does."""

    loss_scaler = Scaler()

    def step(self, **kwargs) -> None:
        grads = [p.grad for group in self.optimizer.param_groups for p in group["params"]]
        if all(torch.isfinite(grad).all() for grad in grads if grad is not None):
            super().step(**kwargs)


class NanLoss(Net):
    def forward(self, *inputs, mode="tensor"):
        out = super().forward(mode=mode)
        bad = mode == "loss" and self.at <= self.count < self.at + self.value
        return {"loss": out["loss"] * math.nan} if bad else out


def test_overflow_that_mixed_precision_skips_is_no_divergence(tmp_path):
    def wrapper(model):
        return Skipping(torch.optim.SGD(model.parameters(), lr=0.1))

    model = Net(6, math.inf)
    assert train(tmp_path / "a", model, optim_wrapper=wrapper(model)) == ["iter_12.pth"]
    model = NanLoss(4, buffer=9.0)
    assert train(tmp_path / "b", model, iters=24, optim_wrapper=wrapper(model)) == ["iter_24.pth"]
    model = NanLoss(4, buffer=10.0)
    with pytest.raises(FloatingPointError, match=r"diverged: loss is nan at iteration 4$"):
        train(tmp_path / "c", model, iters=24, optim_wrapper=wrapper(model))


def test_large_half_precision_numbers_are_finite():
    big = torch.full((100,), 6e4, dtype=torch.float16)
    assert not_finite([("a", big), ("b", torch.tensor([1e38] * 9)), ("c", torch.ones(0))]) == {}
    found = not_finite([("a", big * 2), ("b", torch.ones(2)), ("c", torch.tensor([1j, math.nan]))])
    assert set(found) == {"a", "c"}


def test_weights_are_looked_at_only_where_it_is_due(tmp_path, monkeypatch):
    from anl_seg.engine.hooks import stop_on_divergence_hook

    calls = []
    monkeypatch.setattr(
        stop_on_divergence_hook, "not_finite", lambda tensors: calls.append(1) or {}
    )
    train(tmp_path / "run", Net(), iters=12, every=6)
    # What is fixed and what is trained, at the start and after iterations 6 and 12.
    assert len(calls) == 1 + 3 * 2
