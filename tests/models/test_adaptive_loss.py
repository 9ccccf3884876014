"""AdaptiveLoss is its base, with numbers kept in their ranges."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from anl_seg.models.losses.adaptive_loss import AdaptiveLoss

Q = {"q": (0.05, 1.0)}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope("mmseg")


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 6), generator=generator)
    labels[0, :2] = 255
    return logits, labels


def build(base, parameters, **kwargs):
    cfg = {"type": "anl_seg.AdaptiveLoss", "base": base, "parameters": parameters, **kwargs}
    loss = MODELS.build(cfg)
    assert isinstance(loss, AdaptiveLoss)
    return loss


BASES = [
    ({"type": "GCELoss", "q": 0.4}, Q),
    ({"type": "anl_seg.SCELoss"}, {"alpha": (0.01, 1.0), "beta": (0.5, 2.0)}),
    ({"type": "ANLFLLoss", "entropy_weight": 0.5}, {"alpha": (1, 10)}),
]


@pytest.mark.parametrize(("base", "parameters"), BASES)
def test_is_its_base_in_every_reduction(base, parameters, batch):
    kwargs = {"class_weight": [1.0, 2.0, 0.5, 1.0], "loss_weight": 0.4, "loss_name": "loss_x"}
    loss = build(base, parameters, **kwargs)
    plain = MODELS.build({**base, "type": f"anl_seg.{base['type'].split('.')[-1]}", **kwargs})
    weight = torch.rand(batch[1].shape, dtype=torch.float64)
    for reduction in ("none", "mean", "sum"):
        args = {"weight": weight, "reduction_override": reduction, "ignore_index": 255}
        torch.testing.assert_close(loss(*batch, **args), plain(*batch, **args))
    assert loss.loss_name == "loss_x"
    assert loss.values() == {name: getattr(plain, name) for name in parameters}


def test_values_never_leave_their_range(batch):
    loss = build({"type": "GCELoss", "q": 0.4}, Q)
    for raw in (-1e4, -3.0, 0.0, 2.0, 1e4):
        loss.raw.fill_(raw)
        loss.use_raw()
        assert 0.05 <= loss.values()["q"] <= 1.0
        assert torch.isfinite(loss(*batch))
    loss.raw.fill_(0.0)
    loss.use_raw()
    assert loss.base.q == pytest.approx(0.525)


def test_raw_starts_at_the_base_and_travels_with_the_state_dict():
    loss = build({"type": "GCELoss", "q": 0.4}, Q)
    assert not list(loss.parameters())  # nothing for an optimizer, nothing to decay
    loss.use_raw()
    assert loss.base.q == pytest.approx(0.4, abs=1e-6)
    loss.raw.fill_(1.0)
    loss.use_raw()
    other = build({"type": "GCELoss", "q": 0.2}, Q)
    other.load_state_dict(loss.state_dict())
    assert other.values() == loss.values()
    assert copy.deepcopy(loss).values() == loss.values()
    assert "q in (0.05, 1.0)" in repr(loss)


def test_clean_set_is_judged_by_cross_entropy(batch):
    loss = build({"type": "GCELoss"}, Q, class_weight=[1.0, 2.0, 0.5, 1.0], loss_weight=0.4)
    plain = MODELS.build(
        {"type": "anl_seg.CELoss", "class_weight": [1.0, 2.0, 0.5, 1.0], "loss_weight": 0.4}
    )
    with loss.judging_clean():
        torch.testing.assert_close(loss(*batch), plain(*batch))
    assert not torch.isclose(loss(*batch), plain(*batch))


@pytest.mark.parametrize(
    ("base", "parameters", "kwargs", "text"),
    [
        ({"q": 0.4}, Q, {}, "'type'"),
        ({"type": "GCELoss"}, {}, {}, "at least one"),
        ({"type": "GCELoss"}, {"a": (0, 1)}, {}, r"no number 'a' to learn; it has \['q'\]"),
        ({"type": "CELoss"}, Q, {}, "it has none"),
        ({"type": "GCELoss", "q": 0.5}, {"q": (0.6, 1.0)}, {}, "low < 0.5 < high"),
        ({"type": "GCELoss", "q": 0.5}, {"q": 0.6}, {}, "low < 0.5 < high"),
        ({"type": "GCELoss", "q": 0.5}, {"q": (0.0, 1.0)}, {}, r"q must lie in \(0, 1\]; got 0.0"),
        ({"type": "GCELoss", "q": 0.5}, {"q": (0.1, float("inf"))}, {}, "finite"),
        ({"type": "GCELoss", "loss_weight": 1.0}, Q, {"loss_weight": 2.0}, "both in base and"),
        ({"type": "mmseg.DiceLoss"}, Q, {}, "loss of anl_seg"),
    ],
)
def test_errors_in_words(base, parameters, kwargs, text):
    with pytest.raises(ValueError, match=text):
        build(base, parameters, **kwargs)
