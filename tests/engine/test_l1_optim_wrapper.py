"""L1OptimWrapper and L1AmpOptimWrapper against autograd of ``loss + delta * ||theta||_1``."""

from __future__ import annotations

import copy
import faulthandler
import json
import math
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import nn

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
DELTA = 0.05
SGD = {"type": "SGD", "lr": 0.05, "momentum": 0.9}
ADAM = {"type": "Adam", "lr": 0.02}
# Far below the gradient norms of the model below, which start near 3.
CLIP = {"max_norm": 0.5}


class Net(nn.Module):
    """Two layers with normalization between them, and a parameter no output depends on."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.first = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.last = nn.Linear(4, 1)
        self.unused = nn.Parameter(torch.tensor([0.3, -0.2, 0.0]))
        for param in self.parameters():
            param.data = torch.randn(param.shape, generator=generator)
        self.to(dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.norm(self.first(x))))


def batches(count: int, dtype: torch.dtype = torch.float64, size: int = 4) -> list:
    """``count`` fixed pairs of (size, 3) inputs and (size, 1) targets."""
    generator = torch.Generator().manual_seed(11)
    return [
        (
            torch.randn(size, 3, generator=generator).to(dtype),
            3 * torch.randn(size, 1, generator=generator).to(dtype),
        )
        for _ in range(count)
    ]


def mse(net: nn.Module, batch: tuple) -> torch.Tensor:
    return ((net(batch[0]) - batch[1]) ** 2).mean()


def l1_norm(net: nn.Module) -> torch.Tensor:
    return sum(param.abs().sum() for param in net.parameters())


def make_wrapper(net: nn.Module, **config):
    config.setdefault("type", "anl_seg.L1OptimWrapper")
    config.setdefault("l1_weight", DELTA)
    config.setdefault("optimizer", SGD)
    return build_optim_wrapper(net, copy.deepcopy(config))


def make_optimizer(net: nn.Module, config: dict) -> torch.optim.Optimizer:
    config = dict(config)
    return getattr(torch.optim, config.pop("type"))(net.parameters(), **config)


def train_reference(net, optimizer, data, accumulate=1, clip=None, scale=1.0, loss=mse) -> list:
    """Autograd of the whole objective; returns each update's gradient norm before clipping."""
    norms = []
    for start in range(0, len(data), accumulate):
        group = data[start : start + accumulate]
        optimizer.zero_grad()
        objective = sum(loss(net, batch) for batch in group) / len(group) + DELTA * l1_norm(net)
        (objective * scale).backward()
        for param in net.parameters():
            param.grad /= scale
        norms.append(nn.utils.clip_grad_norm_(net.parameters(), clip or math.inf).item())
        optimizer.step()
    return norms


def assert_same_weights(net: nn.Module, reference: nn.Module, **tolerance) -> None:
    for (name, param), other in zip(net.named_parameters(), reference.parameters()):
        torch.testing.assert_close(
            param, other, msg=lambda text, name=name: f"{name}: {text}", **tolerance
        )


def last_scalar(key: str) -> float:
    return MessageHub.get_current_instance().get_scalar(key).current()


@pytest.fixture
def amp_on_cpu(monkeypatch):
    """AmpOptimWrapper insists on a GPU and CUDA's scaler: let it have the CPU's."""
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)

    def cpu_scaler(**kwargs):
        return torch.amp.GradScaler("cpu", **kwargs)

    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", cpu_scaler)


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("clip", [None, CLIP], ids=["unclipped", "clipped"])
def test_equals_autograd_of_the_sum(optimizer, accumulate, clip):
    net, reference = Net(), Net()
    data = batches(20 * accumulate)
    wrapper = make_wrapper(net, optimizer=optimizer, accumulative_counts=accumulate, clip_grad=clip)
    for batch in data:
        wrapper.update_params(mse(net, batch))
    norms = train_reference(
        reference, make_optimizer(reference, optimizer), data, accumulate, clip and clip["max_norm"]
    )
    assert_same_weights(net, reference, rtol=1e-11, atol=1e-12)
    if clip:
        assert min(norms) > clip["max_norm"], "the clipping of this test must be active"
        assert last_scalar("train/grad_norm") == pytest.approx(norms[-1], rel=1e-10)


def test_unfinished_accumulation_at_the_end_adds_the_penalty_once():
    net, reference = Net(), Net()
    data = batches(5)
    wrapper = make_wrapper(net, accumulative_counts=3)
    wrapper.initialize_count_status(net, 0, len(data))
    for batch in data:
        wrapper.update_params(mse(net, batch))
    train_reference(reference, make_optimizer(reference, SGD), data, 3)
    assert_same_weights(net, reference, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("amp_on_cpu")
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("clip", [None, CLIP], ids=["unclipped", "clipped"])
def test_amp_equals_autograd_with_the_same_scale(accumulate, clip):
    def autocast_mse(model, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return mse(model, batch)

    scale = 1024.0
    net, reference = Net(torch.float32), Net(torch.float32)
    data = batches(20 * accumulate, torch.float32)
    wrapper = make_wrapper(
        net,
        type="anl_seg.L1AmpOptimWrapper",
        accumulative_counts=accumulate,
        clip_grad=clip,
        loss_scale=scale,
        dtype="bfloat16",
    )
    for batch in data:
        with wrapper.optim_context(net):
            loss = mse(net, batch)
        wrapper.update_params(loss)
    assert wrapper.loss_scaler.get_scale() == scale
    norms = train_reference(
        reference,
        make_optimizer(reference, SGD),
        data,
        accumulate,
        clip and clip["max_norm"],
        scale,
        autocast_mse,
    )
    assert not clip or min(norms) > clip["max_norm"]
    # A last digit of float32 may flip a rounding to bfloat16. A penalty left out or added twice
    # moves weights by 0.05 and more: 20 steps of lr * delta.
    assert_same_weights(net, reference, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("amp_on_cpu")
def test_amp_penalty_does_not_depend_on_the_loss_scale():
    ends = []
    for scale in (1.0, 4096.0):
        net = Net()
        wrapper = make_wrapper(net, type="anl_seg.L1AmpOptimWrapper", loss_scale=scale)
        for batch in batches(5):
            wrapper.update_params(mse(net, batch))
        ends.append(net)
    assert_same_weights(*ends, rtol=1e-12, atol=1e-13)
    reference = Net()
    train_reference(reference, make_optimizer(reference, SGD), batches(5))
    assert_same_weights(ends[1], reference, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("amp_on_cpu")
@pytest.mark.parametrize("clip", [None, CLIP], ids=["unclipped", "clipped"])
def test_amp_skips_the_whole_update_on_inf(clip):
    net = Net(torch.float32)
    wrapper = make_wrapper(
        net,
        type="anl_seg.L1AmpOptimWrapper",
        clip_grad=clip,
        loss_scale={"init_scale": 64.0, "backoff_factor": 0.5},
    )
    data = batches(3, torch.float32)
    wrapper.update_params(mse(net, data[0]))
    before = copy.deepcopy(net)
    wrapper.update_params(mse(net, data[1]) * math.inf)
    assert_same_weights(net, before, rtol=0, atol=0)
    assert wrapper.loss_scaler.get_scale() == 32.0
    wrapper.update_params(mse(net, data[2]))
    assert not torch.equal(net.first.weight, before.first.weight)


def test_unused_and_zero_parameters():
    net = Net()
    wrapper = make_wrapper(net, optimizer={"type": "SGD", "lr": 0.5})
    wrapper.update_params(mse(net, batches(1)[0]))
    start = Net().unused
    torch.testing.assert_close(net.unused, start - 0.5 * DELTA * torch.sign(start))

    zero = nn.Linear(3, 1, bias=False).double()
    nn.init.zeros_(zero.weight)
    wrapper = make_wrapper(zero, l1_weight=10.0)
    wrapper.update_params(0 * zero.weight.sum())
    assert (zero.weight == 0).all()


def test_frozen_parameters_are_left_alone():
    net = Net()
    wrapper = make_wrapper(net)
    net.first.requires_grad_(False)
    wrapper.update_params(mse(net, batches(1)[0]))
    assert net.first.weight.grad is None
    assert torch.equal(net.first.weight, Net().first.weight)
    others = l1_norm(Net()) - sum(p.abs().sum() for p in Net().first.parameters())
    assert last_scalar("train/loss_l1") == pytest.approx(DELTA * others.item(), rel=1e-12)


def test_groups_can_be_excluded_and_weighted():
    net, reference = Net(), Net()
    keys = {"norm": {"l1_mult": 0.0}, "last": {"l1_mult": 3.0}}
    wrapper = make_wrapper(net, paramwise_cfg={"custom_keys": keys})
    optimizer = make_optimizer(reference, SGD)
    for batch in batches(20):
        optimizer.zero_grad()
        penalty = sum(
            (0 if "norm" in name else 3 if "last" in name else 1) * param.abs().sum()
            for name, param in reference.named_parameters()
        )
        expected = DELTA * penalty.item()
        (mse(reference, batch) + DELTA * penalty).backward()
        optimizer.step()
        wrapper.update_params(mse(net, batch))
        assert last_scalar("train/loss_l1") == pytest.approx(expected, rel=1e-12)
    assert_same_weights(net, reference, rtol=1e-11, atol=1e-12)


def test_logs_the_value_before_the_step_once_per_update():
    net = Net()
    wrapper = make_wrapper(net, accumulative_counts=3)
    hub = MessageHub.get_current_instance()
    logged = "train/loss_l1"
    before = len(hub.get_scalar(logged).data[0]) if logged in hub.log_scalars else 0
    expected = []
    for index, batch in enumerate(batches(6)):
        if index % 3 == 2:
            expected.append(DELTA * l1_norm(net).item())
        wrapper.update_params(mse(net, batch))
    values = hub.get_scalar(logged).data[0][before:]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_half_precision_parameters_log_a_finite_value():
    big = nn.Linear(1000, 100, bias=False).half()
    nn.init.constant_(big.weight, 2.0)  # the sum, 200000, is beyond float16
    wrapper = make_wrapper(big, l1_weight=0.5, optimizer={"type": "SGD", "lr": 0.0})
    big.weight.grad = torch.zeros_like(big.weight)
    wrapper.step()
    assert last_scalar("train/loss_l1") == pytest.approx(1e5)


def test_zero_weight_is_the_plain_wrapper():
    net, reference = Net(), Net()
    wrapper = make_wrapper(net, l1_weight=0)
    plain = build_optim_wrapper(reference, {"type": "OptimWrapper", "optimizer": dict(SGD)})
    for batch in batches(3):
        wrapper.update_params(mse(net, batch))
        plain.update_params(mse(reference, batch))
    assert_same_weights(net, reference, rtol=0, atol=0)
    assert net.unused.grad is None
    assert last_scalar("train/loss_l1") == 0.0


def l1_records() -> list:
    return json.loads((GOLDEN / "manifest.json").read_text())["l1"]["records"]


@pytest.mark.parametrize("record", l1_records(), ids=lambda record: record["id"])
def test_golden_penalty_and_gradient(record):
    with np.load(GOLDEN / "l1.npz") as arrays:
        params = [nn.Parameter(torch.from_numpy(arrays[f"param{k}"])) for k in range(3)]
        expected = [record["delta"] * torch.from_numpy(arrays[f"unit_grad{k}"]) for k in range(3)]
    net = nn.ParameterList(params)
    wrapper = make_wrapper(net, l1_weight=record["delta"], optimizer={"type": "SGD", "lr": 0.0})
    for param in net:
        param.grad = torch.zeros_like(param)
    wrapper.step()
    for param, grad in zip(net, expected):
        torch.testing.assert_close(param.grad, grad, rtol=1e-15, atol=0)
    assert last_scalar("train/loss_l1") == pytest.approx(record["l1_term"], rel=1e-12, abs=0)


def test_resume_continues_bit_by_bit_and_keeps_the_configs_exclusions():
    keys = {"paramwise_cfg": {"custom_keys": {"norm": {"l1_mult": 0.0}}}, "optimizer": ADAM}
    data = batches(6)
    whole = Net()
    wrapper = make_wrapper(whole, **keys)
    for batch in data:
        wrapper.update_params(mse(whole, batch))

    first = Net()
    wrapper = make_wrapper(first, **keys)
    for batch in data[:3]:
        wrapper.update_params(mse(first, batch))
    state = copy.deepcopy(wrapper.state_dict())
    # What a checkpoint of the plain wrapper with the same groups would hold.
    for group in state["param_groups"]:
        group.pop("l1_mult", None)
    second = copy.deepcopy(first)
    wrapper = make_wrapper(second, **keys)
    wrapper.load_state_dict(state)
    for batch in data[3:]:
        wrapper.update_params(mse(second, batch))
    assert_same_weights(second, whole, rtol=0, atol=0)


@pytest.mark.usefixtures("amp_on_cpu")
def test_amp_state_holds_the_loss_scale():
    scale = {"init_scale": 8.0}
    wrapper = make_wrapper(Net(), type="anl_seg.L1AmpOptimWrapper", loss_scale=scale)
    state = copy.deepcopy(wrapper.state_dict())
    other = make_wrapper(Net(), type="anl_seg.L1AmpOptimWrapper", loss_scale={"init_scale": 512.0})
    other.load_state_dict(state)
    assert other.loss_scaler.get_scale() == 8.0


@pytest.mark.parametrize("value", [-1e-6, math.nan, math.inf, "0.1", None, True])
@pytest.mark.parametrize("kind", ["anl_seg.L1OptimWrapper", "anl_seg.L1AmpOptimWrapper"])
def test_bad_weight(kind, value):
    with pytest.raises(ValueError, match=f"l1_weight.*{value!r}"):
        make_wrapper(Net(), type=kind, l1_weight=value)


def test_bad_multiplier_names_the_group():
    keys = {"first.bias": {"l1_mult": -2.0}}
    with pytest.raises(ValueError, match=r"l1_mult of parameter group 2 .*-2\.0"):
        make_wrapper(Net(), paramwise_cfg={"custom_keys": keys})


def test_weight_decay_beside_it_is_warned_of(monkeypatch):
    from anl_seg.engine.optim import l1_optim_wrapper

    told = []
    monkeypatch.setattr(
        l1_optim_wrapper, "print_log", lambda text, **kwargs: told.append((text, kwargs["level"]))
    )
    make_wrapper(Net(), optimizer={"type": "SGD", "lr": 0.1, "weight_decay": 0.0})
    assert told == []
    keys = {"norm": {"decay_mult": 0.0}, "first": {"decay_mult": 0.0}, "unused": {"l1_mult": 0.0}}
    decayed = {"type": "SGD", "lr": 0.1, "weight_decay": 5e-4}
    make_wrapper(Net(), optimizer=decayed, paramwise_cfg={"custom_keys": keys})
    ((text, level),) = told
    assert level == 30
    # Groups in the order of parameters: unused, first.*, norm.*, then last.weight and last.bias.
    assert "parameter group 5 (weight_decay=0.0005, 1 parameters), 6 (" in text
    assert "group 0" not in text
    make_wrapper(Net(), optimizer=decayed, l1_weight=0)
    assert len(told) == 1


def train_one_rank(rank: int, folder: str) -> None:
    """Train on this rank's half of every batch, save the weights and end the process."""
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=40),  # where the other rank has failed
    )
    for accumulate in (1, 3):
        net = Net()
        model = nn.parallel.DistributedDataParallel(net, find_unused_parameters=True)
        wrapper = make_wrapper(model, accumulative_counts=accumulate, clip_grad=dict(CLIP))
        for x, y in batches(8 * accumulate):
            half = (x[rank::2], y[rank::2])
            with wrapper.optim_context(model):
                loss = mse(model, half)
            wrapper.update_params(loss)
        torch.save(net.state_dict(), f"{folder}/{accumulate}_{rank}.pth")
    # torch frees a gloo group with the GIL held, which now and then waits forever for a thread
    # that wants the GIL: end without freeing it, once the other rank needs this one no more.
    while not Path(f"{folder}/3_{1 - rank}.pth").exists():
        time.sleep(0.01)
    os._exit(0)


@pytest.mark.process
def test_two_ranks_equal_one_process_on_the_joint_batch(tmp_path):
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
    for accumulate in (1, 3):
        reference = Net()
        data = batches(8 * accumulate)
        optimizer = make_optimizer(reference, SGD)
        train_reference(reference, optimizer, data, accumulate, CLIP["max_norm"])
        for rank in (0, 1):
            net = Net()
            net.load_state_dict(torch.load(tmp_path / f"{accumulate}_{rank}.pth"))
            assert_same_weights(net, reference, rtol=1e-11, atol=1e-12)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(80, exit=True)
    torch.set_num_threads(1)
    train_one_rank(int(sys.argv[1]), sys.argv[2])
