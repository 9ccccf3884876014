"""AdaptiveLossHook: its gradient against autograd through the look-ahead, and small real runs."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data import Dataset

from anl_seg import functional as F
from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.hooks.adaptive_loss_hook import AdaptiveLossHook, hyper_gradients
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from tests.models.test_losses import segmentor

LOW, HIGH = 0.05, 1.0


def samples(count: int, noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (count, 2) of two overlapping classes, labels (count,), a share ``noise`` of them flipped."""
    generator = torch.Generator().manual_seed(seed)
    points = 2.0 * torch.randn(count, 2, generator=generator)
    labels = (points[:, 0] + 0.3 * torch.randn(count, generator=generator) > 0).long()
    flip = torch.rand(count, generator=generator) < noise
    return points, torch.where(flip, 1 - labels, labels)


@DATASETS.register_module(name="AdaptiveLossHookPoints", force=True)
class Points(Dataset):
    metainfo: ClassVar = {"classes": ("a", "b")}

    def __init__(self, count: int, noise: float = 0.0, seed: int = 0) -> None:
        self.points, self.labels = samples(count, noise, seed)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> dict:
        return {"inputs": self.points[index], "labels": self.labels[index]}


class Net(BaseModel):
    """A linear model, with batch norm and dropout (both trained on) if ``deep``."""

    def __init__(self, loss: nn.Module, deep: bool = False) -> None:
        super().__init__()
        if deep:
            self.body = nn.Sequential(
                nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2)
            )
        else:
            self.body = nn.Linear(2, 2)
            nn.init.zeros_(self.body.weight)
        self.loss_decode = loss

    def forward(self, inputs, labels, mode="tensor"):
        assert mode == "loss"
        inputs = torch.stack(inputs) if isinstance(inputs, list) else inputs
        labels = torch.stack(labels) if isinstance(labels, list) else labels
        return {"loss": self.loss_decode(self.body(inputs), labels)}


def gce(q: float = 0.5, **kwargs) -> AdaptiveLoss:
    return AdaptiveLoss({"type": "GCELoss", "q": q}, {"q": (LOW, HIGH)}, **kwargs)


def batch_of(count: int, noise: float, seed: int) -> dict:
    points, labels = samples(count, noise, seed)
    return {"inputs": points, "labels": labels}


def look_ahead(model: Net, batch: dict, clean: dict, rate: float = 1e-5) -> torch.Tensor:
    """d clean loss / d raw after one step of gradient descent, by autograd in float64, over the rate."""
    weight, bias = (p.detach().double().requires_grad_() for p in model.body.parameters())
    raw = model.loss_decode.raw.double().requires_grad_()
    q = LOW + (HIGH - LOW) * torch.sigmoid(raw)
    logits = batch["inputs"].double() @ weight.T + bias
    log_p = logits.log_softmax(1).gather(1, batch["labels"].unsqueeze(1)).squeeze(1)
    loss = ((1 - (q * log_p).exp()) / q).mean()
    grads = torch.autograd.grad(loss, (weight, bias), create_graph=True)
    weight, bias = weight - rate * grads[0], bias - rate * grads[1]
    after = F.cross_entropy(clean["inputs"].double() @ weight.T + bias, clean["labels"]).mean()
    return torch.autograd.grad(after, raw)[0] / rate


@pytest.mark.parametrize("noise", [0.0, 0.4])
@pytest.mark.parametrize("q", [0.2, 0.8])
def test_gradient_is_that_of_the_look_ahead(noise, q):
    torch.manual_seed(0)
    model = Net(gce(q))
    nn.init.normal_(model.body.weight)
    batch, clean = batch_of(200, noise, 1), batch_of(100, 0.0, 2)
    (gradient,) = hyper_gradients(model, batch, clean, check_effect=True)
    expected = look_ahead(model, batch, clean)
    torch.testing.assert_close(gradient.double(), expected, rtol=5e-3, atol=1e-6)


def test_everything_is_left_as_found():
    torch.manual_seed(0)
    model = Net(gce(), deep=True).train()
    batch, clean = batch_of(50, 0.3, 1), batch_of(50, 0.0, 2)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    (gradient,) = hyper_gradients(model, batch, clean)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    assert torch.equal(torch.get_rng_state(), random)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all((p.grad == 1).all() for p in model.parameters())
    assert model.loss_decode.values()["q"] == pytest.approx(0.5, abs=1e-6)
    assert torch.equal(hyper_gradients(model, batch, clean)[0], gradient)  # same dropout each pass


def test_all_ignored_batches_give_zero_or_nothing():
    model = Net(gce())
    batch, clean = batch_of(20, 0.3, 1), batch_of(20, 0.0, 2)
    ignored = {**batch, "labels": torch.full_like(batch["labels"], 255)}
    (gradient,) = hyper_gradients(model, ignored, clean, check_effect=True)
    assert gradient.item() == 0.0
    assert hyper_gradients(model, batch, ignored) is None


def test_a_number_without_effect_is_an_error():
    loss = AdaptiveLoss({"type": "GCELoss", "q": 0.5}, {"q": (LOW, HIGH)})
    q = loss.base.q
    loss.base.pixel_loss = lambda z, y, i: F.generalized_cross_entropy(z, y, q=q, ignore_index=i)
    with pytest.raises(ValueError, match="q has no effect"):
        hyper_gradients(Net(loss), batch_of(20, 0, 1), batch_of(20, 0, 2), check_effect=True)


def loader(count: int, noise: float, seed: int, batch_size: int) -> dict:
    return {
        "batch_size": batch_size,
        "num_workers": 0,
        "dataset": {
            "type": "AdaptiveLossHookPoints",
            "count": count,
            "noise": noise,
            "seed": seed,
        },
        "sampler": {"type": "InfiniteSampler", "shuffle": True},
    }


def run(work_dir, noise: float, iters: int, seed: int = 0, loss=None, **extra) -> Runner:
    clean = loader(200, 0.0, 100 + seed, 100)
    clean["sampler"] = {"type": "DefaultSampler", "shuffle": True}
    torch.manual_seed(seed)
    runner = Runner(
        model=Net(gce() if loss is None else loss),
        work_dir=str(work_dir),
        train_dataloader=loader(1000, noise, seed, 200),
        train_cfg={"by_epoch": False, "max_iters": iters, "val_interval": 10**6},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.3, "momentum": 0.9}},
        custom_hooks=[AdaptiveLossHook(clean, interval=2, lr=0.1)],
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 5},
            "logger": {"type": "LoggerHook", "interval": 1},
        },
        default_scope="mmengine",
        randomness={"seed": seed},
        experiment_name=f"adaptive_{work_dir.name}",
        log_level="ERROR",
        **extra,
    )
    runner.train()
    return runner


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, LOW, 0.45), (0.4, 0.55, HIGH)])
def test_q_of_gce_goes_up_with_noise_and_down_without(tmp_path, noise, low, high):
    """From 0.5, to the tolerant side with 40 % of wrong labels, to cross entropy's side with none."""
    runner = run(tmp_path, noise, 80)
    assert low < runner.model.loss_decode.values()["q"] < high
    logged = runner.message_hub.get_scalar("train/loss_decode.q")
    assert len(logged.data[0]) == 40  # every second iteration
    assert logged.current() == runner.model.loss_decode.values()["q"]


def test_resume_takes_up_the_numbers_and_adams_state(tmp_path):
    allow_mmengine_checkpoints()
    run(tmp_path, 0.4, 10)
    middle = tmp_path / "iter_5.pth"
    saved = torch.load(middle, weights_only=False)
    assert saved["adaptive_loss_hook"]["state"][0]["step"] == 2
    runner = run(tmp_path, 0.4, 5, load_from=str(middle), resume=True, loss=gce(0.3))
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, AdaptiveLossHook))
    assert hook._adam.state_dict()["state"][0]["step"] == 2
    torch.testing.assert_close(runner.model.loss_decode.raw, saved["state_dict"]["loss_decode.raw"])
    q = LOW + (HIGH - LOW) * torch.sigmoid(runner.model.loss_decode.raw).item()
    assert runner.model.loss_decode.values()["q"] == pytest.approx(q)
    assert abs(q - 0.3) > 0.05


def test_errors_in_words(tmp_path):
    config = loader(10, 0.0, 0, 5)
    with pytest.raises(ValueError, match="interval"):
        AdaptiveLossHook(config, interval=0)
    with pytest.raises(ValueError, match="lr"):
        AdaptiveLossHook(config, lr=-1.0)
    with pytest.raises(ValueError, match="clean_dataloader"):
        AdaptiveLossHook([])
    plain = gce().base
    with pytest.raises(ValueError, match="no loss of type AdaptiveLoss"):
        run(tmp_path, 0.0, 1, loss=plain)


def mmseg_batch(classes: int, seed: int) -> dict:
    """Two images of 16 x 16, which the preprocessor pads to 20 x 20 in place, labels with them."""
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(2):
        labels = torch.randint(0, classes, (1, 16, 16), generator=generator)
        labels[:, :3] = 255
        meta = {"img_shape": (16, 16)}
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=meta))
    images = [torch.randint(0, 256, (3, 16, 16), generator=generator) for _ in range(2)]
    return {"inputs": images, "data_samples": samples}


@pytest.mark.parametrize(
    ("base", "parameters", "head"),
    [
        ({"type": "GCELoss"}, {"q": (LOW, HIGH)}, {}),
        ({"type": "ANLCELoss"}, {"alpha": (1, 10), "beta": (1, 10)}, {}),
        (
            {"type": "GCELoss"},
            {"q": (LOW, HIGH)},
            {"sampler": {"type": "OHEMPixelSampler", "min_kept": 50}},
        ),
    ],
)
def test_in_an_mmseg_model(base, parameters, head):
    """With an auxiliary head, OHEM by the loss itself, and labels that preprocessing pads in place."""
    init_default_scope("mmseg")
    torch.manual_seed(0)
    loss = {"type": "anl_seg.AdaptiveLoss", "base": base, "parameters": parameters}
    model = segmentor(loss, **head).train()
    model.data_preprocessor = SegDataPreProcessor(size=(20, 20))
    batch = mmseg_batch(4, 0)
    gradients = hyper_gradients(model, batch, mmseg_batch(4, 1), check_effect=True)
    assert [len(gradient) for gradient in gradients] == [len(parameters)] * 2
    assert all(gradient.isfinite().all() and gradient.all() for gradient in gradients)
    assert batch["data_samples"][0].gt_sem_seg.shape == (16, 16)  # not padded for training to come
