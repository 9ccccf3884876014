"""The constructions of normalized and normalized negative losses as modules."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from anl_seg.config import parse_spec
from anl_seg.models.losses.normalized_losses import form_of
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS as OURS

BASES = [
    cls
    for cls in OURS.module_dict.values()
    if issubclass(cls, PixelLoss) and cls.__module__.startswith("anl_seg.") and form_of(cls)
]


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope("mmseg")


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 6), generator=generator)
    labels[0, :2] = 255
    return logits, labels


def build(name, **params):
    return MODELS.build(dict(type=f"anl_seg.{name}", **params))


def gradient(loss, logits, labels):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits, labels), logits)[0]


@pytest.mark.parametrize(
    ("base", "special", "params"),
    [
        (dict(type="CELoss"), "ANLCELoss", dict(mass_balance=0.0)),
        (dict(type="anl_seg.FocalLoss", gamma=1.5), "ANLFLLoss", dict(gamma=1.5)),
    ],
)
def test_anl_ce_and_anl_fl_are_special_cases(base, special, params, batch):
    built = build(
        "ActiveNegativeLoss",
        active=dict(type="NormalizedLoss", base=base),
        negative=dict(type="NormalizedNegativeLoss", base=base, min_prob=1e-3),
        alpha=2.0,
        beta=3.0,
    )
    expected = build(special, alpha=2.0, beta=3.0, min_prob=1e-3, **params)
    torch.testing.assert_close(built(*batch), expected(*batch))
    torch.testing.assert_close(gradient(built, *batch), gradient(expected, *batch))


@pytest.mark.parametrize("module", BASES)
def test_every_base_passes_its_parameters(module, batch):
    params = {
        "AGCELoss": dict(a=0.6, q=0.6),
        "AUELoss": dict(a=5.5, q=3.0),
        "AELLoss": dict(a=2.5),
        "ANormLoss": dict(a=2.0, p=0.7),
        "FocalLoss": dict(gamma=1.5),
        "GCELoss": dict(q=0.4),
        "SCELoss": dict(alpha=0.3, beta=2.0),
    }.get(module.__name__, {})
    loss = module.function
    logits, labels = batch
    every = torch.stack([loss(logits, torch.full_like(labels, k), **params) for k in range(4)])
    expected = loss(logits, labels, **params) / every.sum(0)
    built = build("NormalizedLoss", base=dict(type=module.__name__, **params))
    torch.testing.assert_close(built(*batch, reduction_override="none"), expected)


def test_the_default_base_is_cross_entropy(batch):
    torch.testing.assert_close(build("NormalizedLoss")(*batch), build("NCELoss")(*batch))
    torch.testing.assert_close(build("NormalizedNegativeLoss")(*batch), build("NNCELoss")(*batch))


def test_on_the_command_line(batch):
    spec = parse_spec(
        "anl_seg.NormalizedNegativeLoss:base={'type':'AELLoss','a':2.5},min_prob=1e-4"
    )
    loss = MODELS.build(spec)
    assert (loss.base.a, loss.min_prob) == (2.5, 1e-4)
    assert loss(*batch).isfinite()


@pytest.mark.parametrize(
    ("name", "base", "text"),
    [
        (
            "NormalizedLoss",
            dict(type="NCELoss"),
            "base: NCELoss has no form per class; those that have one: AELLoss, AGCELoss, ANormLoss, "
            "AUELoss, CELoss, FocalLoss, GCELoss, MAELoss, RCELoss, SCELoss",
        ),
        (
            "NormalizedNegativeLoss",
            dict(type="RCELoss"),
            "base: RCELoss has no form in which class k depends on p_k alone; those that have one: "
            "AELLoss, AGCELoss, AUELoss, CELoss, FocalLoss, GCELoss, MAELoss",
        ),
        ("NormalizedLoss", dict(type="CELoss", loss_weight=2.0), "loss_weight=2.0 would cancel"),
        (
            "NormalizedLoss",
            dict(type="CELoss", class_weight=[1.0]),
            "base: reduction and class_weight",
        ),
        ("NormalizedLoss", dict(q=0.4), "base must be a loss config with a 'type'"),
    ],
)
def test_a_base_that_does_not_fit_is_named(name, base, text):
    with pytest.raises(ValueError, match=text):
        build(name, base=base)
