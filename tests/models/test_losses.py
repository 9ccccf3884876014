"""The registered losses: they agree with their functions and keep mmseg's contract."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from anl_seg import functional as F
from anl_seg.models.losses import simple_losses

C = 4
#: Parameters that differ from the defaults, for losses that have some.
PARAMS = {
    "FocalLoss": {"gamma": 1.5},
    "GCELoss": {"q": 0.4},
    "SCELoss": {"alpha": 0.3, "beta": 2.0},
    "NFLLoss": {"gamma": 1.5},
    "NNCELoss": {"min_prob": 1e-3},
    "NNFLLoss": {"gamma": 1.5, "min_prob": 1e-3},
    "NGCELoss": {"q": 0.4},
    "AGCELoss": {"a": 0.6, "q": 0.6},
    "AUELoss": {"a": 5.5, "q": 3.0},
    "AELLoss": {"a": 2.5},
    "ANormLoss": {"a": 2.0, "p": 0.7},
    "BootstrapLoss": {"beta": 0.6, "mode": "hard"},
    "LabelSmoothingCELoss": {"smoothing": -0.3},
}
#: type -> (parameters, its function with the same parameters)
LOSSES = {
    **{
        name: (PARAMS.get(name, {}), getattr(simple_losses, name).function)
        for name in simple_losses.__all__
    },
    "ANLCELoss": (
        {"alpha": 2.0, "beta": 3.0, "min_prob": 1e-3, "mass_balance": 0.0},
        F.active_negative_cross_entropy,
    ),
    "ANLFLLoss": (
        {"alpha": 2.0, "beta": 3.0, "gamma": 1.5, "min_prob": 1e-3},
        F.active_negative_focal_loss,
    ),
    "GJSLoss": ({"pi": 0.3, "scaled": False}, F.generalized_jensen_shannon),
    "NLNLLoss": ({"complementary": "all"}, F.negative_learning),
    "PeerLoss": ({"alpha": 0.6, "pairing": "expected"}, F.peer_loss),
}
COMBINED = {
    "NormalizedLoss": (
        {"base": {"type": "GCELoss", "q": 0.4}},
        lambda z, y: F.normalized_generalized_cross_entropy(z, y, q=0.4),
    ),
    "NormalizedNegativeLoss": (
        {"base": {"type": "FocalLoss", "gamma": 1.5}, "min_prob": 1e-3},
        lambda z, y: F.normalized_negative_focal_loss(z, y, gamma=1.5, min_prob=1e-3),
    ),
    "ActivePassiveLoss": (
        {"alpha": 2.0, "beta": 3.0},
        lambda z, y: 2 * F.normalized_cross_entropy(z, y) + 3 * F.reverse_cross_entropy(z, y),
    ),
    "ActiveNegativeLoss": (
        {"alpha": 2.0, "beta": 3.0},
        lambda z, y: F.active_negative_cross_entropy(z, y, alpha=2.0, beta=3.0),
    ),
}
#: The losses with an entropy term.
ENTROPY = ("ActiveNegativeLoss", "ANLCELoss", "ANLFLLoss")


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope("mmseg")


def build(name, **params):
    return MODELS.build(dict(type=f"anl_seg.{name}", **params))


def per_pixel(name, logits, labels):
    if name in COMBINED:
        return COMBINED[name][1](logits, labels)
    params, function = LOSSES[name]
    # The balancing belongs to the module.
    return function(logits, labels, **{k: v for k, v in params.items() if k != "mass_balance"})


def params_of(name):
    return (LOSSES | COMBINED)[name][0]


@pytest.fixture(params=[*LOSSES, *COMBINED])
def name(request):
    return request.param


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, C, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 5, 6), generator=generator)
    labels[0, :2] = 255
    return logits, labels


def test_reductions_equal_the_function(name, batch):
    loss = build(name, **params_of(name), loss_weight=0.5)
    pixels = per_pixel(name, *batch)
    valid = (batch[1] != 255).sum()
    torch.testing.assert_close(loss(*batch), 0.5 * pixels.sum() / valid)
    torch.testing.assert_close(loss(*batch, reduction_override="none"), 0.5 * pixels)
    torch.testing.assert_close(loss(*batch, reduction_override="sum"), 0.5 * pixels.sum())
    torch.testing.assert_close(loss(*batch, avg_factor=7), 0.5 * pixels.sum() / 7)
    again = build(name, **params_of(name), reduction="sum")
    torch.testing.assert_close(again(*batch), pixels.sum())
    torch.testing.assert_close(again(*batch, reduction_override="mean"), pixels.sum() / valid)
    none = build(name, **params_of(name), reduction="none")
    torch.testing.assert_close(none(*batch, avg_factor=7), pixels)


def test_weights_enter_numerator_and_denominator(name, batch):
    logits, labels = batch
    generator = torch.Generator().manual_seed(1)
    class_weight = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    weight = torch.rand(labels.shape, dtype=torch.float64, generator=generator)
    weight[0, 0, 0] = math.nan  # at an ignored pixel: it must not spread
    loss = build(name, **params_of(name), class_weight=class_weight.tolist())
    valid = labels != 255
    w = (class_weight[labels.clamp(max=C - 1)] * weight)[valid]
    pixels = per_pixel(name, *batch)[valid]
    torch.testing.assert_close(loss(logits, labels, weight), (w * pixels).sum() / w.sum())
    mask = torch.rand(labels.shape, generator=generator) < 0.5
    w = class_weight[labels[valid & mask]]
    expected = (w * per_pixel(name, *batch)[valid & mask]).sum() / w.sum()
    torch.testing.assert_close(loss(logits, labels, mask), expected)
    torch.testing.assert_close(loss(logits, labels, mask.float()), expected)  # OHEM's weights
    unweighted = build(name, **params_of(name))
    expected = per_pixel(name, *batch)[valid & mask].mean()
    torch.testing.assert_close(unweighted(logits, labels, mask), expected)
    for reduction in ("none", "mean", "sum"):  # OHEM may keep no pixel
        value = loss(logits, labels, torch.zeros_like(mask), reduction_override=reduction)
        assert (value == 0).all()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_all_ignored_batch_is_zero_and_attached(name, batch, reduction):
    extra = {"entropy_weight": 1.0} if name in ENTROPY else {}
    loss = build(name, class_weight=[1.0] * C, reduction=reduction, **extra)
    logits = batch[0].clone().requires_grad_()
    value = loss(logits, torch.full_like(batch[1], 255))
    value.sum().backward()
    assert (value == 0).all()
    assert (logits.grad == 0).all()


def test_ignore_index_defaults_to_255_and_further_keywords_are_taken(name, batch):
    loss = build(name, **params_of(name))
    moved = torch.where(batch[1] == 255, 77, batch[1])
    torch.testing.assert_close(loss(*batch, unused=1), loss(batch[0], moved, ignore_index=77))
    with pytest.raises(ValueError, match="found 77; allowed are 0 to 3"):
        loss(batch[0], moved)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_precision_inside_and_outside_of_autocast(name, batch, dtype):
    loss = build(name, **params_of(name), class_weight=[1.0, 2.0, 3.0, 4.0])
    logits = batch[0].to(dtype)
    outside = loss(logits, batch[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(logits, batch[1])
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert inside.dtype == outside.dtype == expected
    torch.testing.assert_close(inside, outside)


def test_points_and_binary_heads(name, batch):
    logits, labels = batch
    params = params_of(name)
    flat = build(name, **params)(logits.flatten(2), labels.flatten(1))
    torch.testing.assert_close(flat, build(name, **params)(logits, labels))
    binary = torch.where(labels == 255, 255, labels % 2)
    loss = build(name, **params, use_sigmoid=True, class_weight=[1.0, 3.0])
    two = torch.cat([torch.zeros_like(logits[:, :1]), logits[:, :1]], 1)
    expected = build(name, **params, class_weight=[1.0, 3.0])(two, binary)
    torch.testing.assert_close(loss(logits[:, :1], binary), expected)
    without = build(name, **params, use_sigmoid=False, class_weight=[1.0, 3.0])
    torch.testing.assert_close(without(logits[:, :1], binary), expected)
    with pytest.raises(ValueError, match=r"use_sigmoid=True needs .* the logits have 4"):
        loss(logits, labels)


def test_nan_passes_through(name, batch):
    batch[0][1, 0, 0, 0] = math.nan
    assert build(name, **params_of(name))(*batch).isnan()


def test_gradients_do_not_reach_ignored_pixels(name, batch):
    logits = batch[0].clone().requires_grad_()
    build(name, **params_of(name))(logits, batch[1]).backward()
    assert (logits.grad.movedim(1, -1)[batch[1] == 255] == 0).all()
    assert logits.grad.abs().sum() > 0


def test_state_dict_stays_empty(name):
    extra = {"class_prior": [0.25] * C} if name in ENTROPY else {}
    loss = build(name, class_weight=[1.0] * C, **extra)
    assert not loss.state_dict()
    assert "loss" in loss.loss_name
    assert build(name, loss_name="loss_mine").loss_name == "loss_mine"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (dict(reduction="avg"), "reduction must be one of none, mean, sum; got 'avg'"),
        (dict(loss_name="anl"), "loss_name must contain 'loss'.*'anl'"),
        (dict(loss_weight=math.nan), "loss_weight must be a finite number; got nan"),
        (dict(avg_non_ignore=False), "avg_non_ignore=False"),
        (dict(class_weight=[1.0, -1.0]), "class_weight must be finite and 0 or more"),
    ],
)
def test_wrong_common_parameters_are_named(name, params, text):
    with pytest.raises(ValueError, match=text):
        build(name, **params)


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("GCELoss", dict(q=0.0), r"q must lie in \(0, 1\]; got 0.0"),
        ("NGCELoss", dict(q=1.5), r"q must lie in \(0, 1\]; got 1.5"),
        ("AGCELoss", dict(a=0.0), "a must be above 0; got 0.0"),
        ("AGCELoss", dict(q=0.0), "q must be above 0; got 0.0"),
        ("AUELoss", dict(a=1.0), "a must be above 1; got 1.0"),
        ("AUELoss", dict(q=-1.0), "q must be above 0; got -1.0"),
        ("AELLoss", dict(a=-1.0), "a must be above 0; got -1.0"),
        ("ANormLoss", dict(a=0.5), "a must be above 1; got 0.5"),
        ("ANormLoss", dict(p=0.0), "p must be above 0; got 0.0"),
        ("GJSLoss", dict(pi=1.0), r"pi must lie in \(0, 1\); got 1.0"),
        ("FocalLoss", dict(gamma=-1), "gamma must be 0 or more; got -1"),
        ("NFLLoss", dict(gamma=-1), "gamma must be 0 or more; got -1"),
        ("NNCELoss", dict(min_prob=0.0), r"min_prob must lie in \(0, 1\); got 0.0"),
        ("NNFLLoss", dict(min_prob=1.0), r"min_prob must lie in \(0, 1\); got 1.0"),
        ("ANLCELoss", dict(min_prob=2.0), r"min_prob must lie in \(0, 1\); got 2.0"),
        ("ANLFLLoss", dict(min_prob=-1.0), r"min_prob must lie in \(0, 1\); got -1.0"),
        (
            "ANLCELoss",
            dict(entropy_weight=-1.0),
            "entropy_weight must be 0 or more, and finite; got -1.0",
        ),
        ("ANLCELoss", dict(class_prior=[0.5, 0.6]), "class_prior must be positive.*sum to 1"),
        ("ANLCELoss", dict(class_prior=[1.0, 0.0]), "class_prior must be positive"),
        (
            "ActiveNegativeLoss",
            dict(active=dict(q=1)),
            "active must be a loss config with a 'type'",
        ),
        (
            "ActivePassiveLoss",
            dict(passive=dict(type="MAELoss", class_weight=[1.0])),
            "passive: reduction and class_weight belong to the combined loss",
        ),
        (
            "ActiveNegativeLoss",
            dict(negative=dict(type="ANLFLLoss", entropy_weight=1.0)),
            "negative: entropy_weight belongs to the combined loss",
        ),
        (
            "ActivePassiveLoss",
            dict(active=torch.nn.Identity()),
            "active must be",
        ),
        (
            "ActiveNegativeLoss",
            dict(active=dict(type="mmseg.CrossEntropyLoss")),
            "active must be a per-pixel loss of anl_seg; got CrossEntropyLoss",
        ),
        (
            "ActiveNegativeLoss",
            dict(negative=dict(type="NNCELoss", reduction="sum")),
            "negative: reduction and class_weight belong to the combined loss",
        ),
    ],
)
def test_wrong_own_parameters_are_named(name, params, text):
    with pytest.raises((ValueError, TypeError), match=text):
        build(name, **params)


def test_unknown_names_suggest_close_ones():
    with pytest.raises(KeyError, match="Did you mean ANL"):
        build("ANLLoss")
    with pytest.raises(KeyError, match=r"Did you mean .*NCELoss"):
        build("ActivePassiveLoss", active=dict(type="NCLoss"))
    with pytest.raises(KeyError, match=r"Did you mean .*NNCELoss"):
        build("ActiveNegativeLoss", negative=dict(type="anl_seg.NNCLoss"))


def test_lengths_that_do_not_fit_are_named(batch):
    with pytest.raises(ValueError, match="class_weight has 3 entries, but the model has 4 classes"):
        build("CELoss", class_weight=[1.0] * 3)(*batch)
    loss = build("ANLCELoss", entropy_weight=1.0, class_prior=[0.5, 0.5])
    with pytest.raises(ValueError, match="class_prior must have 4 entries"):
        loss(*batch)
    with pytest.raises(ValueError, match=r"weight must have the shape of the labels, \(2, 5, 6\)"):
        build("CELoss")(*batch, weight=torch.ones(2, 5))
    with pytest.raises(ValueError, match="avg_factor goes with reduction='mean'"):
        build("CELoss", reduction="sum")(*batch, avg_factor=3)
    with pytest.raises(ValueError, match="min_prob must be below 1 / num_classes"):
        build("NNCELoss", min_prob=0.4)(*batch)


def test_class_values_come_from_files_as_in_mmseg(batch, tmp_path):
    values = [0.4, 0.3, 0.2, 0.1]
    np.save(tmp_path / "values.npy", np.array(values))
    (tmp_path / "values.json").write_text(json.dumps(values))
    expected = build("ANLCELoss", class_weight=values, class_prior=values, entropy_weight=1.0)
    for file in ("values.npy", "values.json"):
        path = str(tmp_path / file)
        loss = build("ANLCELoss", class_weight=path, class_prior=path, entropy_weight=1.0)
        torch.testing.assert_close(loss(*batch), expected(*batch))


def test_parts_and_presets_agree(batch):
    preset = build("ANLCELoss", alpha=2, beta=3, setting="cifar10")
    whole = build(
        "ActiveNegativeLoss",
        active=dict(type="anl_seg.NCELoss", loss_weight=2.0),
        negative=dict(type="NNCELoss", loss_weight=3.0),
        alpha=1.0,
        beta=1.0,
    )
    torch.testing.assert_close(preset(*batch), whole(*batch))
    defaults = build("ActiveNegativeLoss")(*batch)
    torch.testing.assert_close(defaults, build("ANLCELoss", setting="cifar10")(*batch))
    apl = build("ActivePassiveLoss", active=dict(type="NFLLoss"), passive=dict(type="MAELoss"))
    expected = F.normalized_focal_loss(*batch) + F.mean_absolute_error(*batch)
    torch.testing.assert_close(apl(*batch, reduction_override="none"), expected)


def test_entropy_term_joins_mean_and_sum(batch):
    prior = [0.4, 0.3, 0.2, 0.1]
    plain = build("ANLFLLoss")
    loss = build("ANLFLLoss", entropy_weight=2.0, class_prior=prior, loss_weight=0.5)
    term = 2 * F.entropy_regularization(*batch, class_prior=torch.tensor(prior))
    valid = (batch[1] != 255).sum()
    torch.testing.assert_close(loss(*batch), 0.5 * (plain(*batch) + term))
    for_sum = plain(*batch, reduction_override="sum") + term * valid
    torch.testing.assert_close(loss(*batch, reduction_override="sum"), 0.5 * for_sum)
    none = plain(*batch, reduction_override="none")
    torch.testing.assert_close(loss(*batch, reduction_override="none"), 0.5 * none)


# --- in mmseg's heads --------------------------------------------------------------------------


def segmentor(loss, classes=C, auxiliary=True, **head):
    norm = dict(type="BN")
    common = dict(channels=8, num_convs=1, concat_input=False, norm_cfg=norm, num_classes=classes)
    model = dict(
        type="EncoderDecoder",
        data_preprocessor=dict(type="SegDataPreProcessor"),
        backbone=dict(
            type="UNet",
            base_channels=4,
            num_stages=3,
            strides=(1, 1, 1),
            enc_num_convs=(1, 1, 1),
            dec_num_convs=(1, 1),
            downsamples=(True, True),
            enc_dilations=(1, 1, 1),
            dec_dilations=(1, 1),
            norm_cfg=norm,
        ),
        decode_head=dict(
            type="FCNHead", in_channels=4, in_index=2, loss_decode=loss, **common, **head
        ),
    )
    if auxiliary:
        model["auxiliary_head"] = dict(
            type="FCNHead", in_channels=8, in_index=1, loss_decode=loss, **common
        )
    return MODELS.build(model)


def losses_of(model, classes=C):
    torch.manual_seed(0)
    labels = torch.randint(0, classes, (2, 1, 16, 16))
    labels[:, :, :4] = 255
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=y), metainfo=dict(img_shape=(16, 16)))
        for y in labels
    ]
    losses = model.loss(torch.randn(2, 3, 16, 16), samples)
    sum(v for k, v in losses.items() if "loss" in k).backward()
    grads = [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)
    return {k for k in losses if "loss" in k}


def test_alone_and_on_auxiliary_heads(name):
    loss = dict(type=f"anl_seg.{name}", loss_name="loss_x")
    assert losses_of(segmentor(loss)) == {"decode.loss_x", "aux.loss_x"}


def test_in_a_list_beside_mmsegs_own():
    loss = [dict(type="anl_seg.ANLCELoss"), dict(type="DiceLoss", ignore_index=255)]
    assert {"decode.loss_anl_ce", "decode.loss_dice"} <= losses_of(segmentor(loss))


def test_with_ohem(name):
    sampler = dict(type="OHEMPixelSampler", thresh=0.7, min_kept=50)
    loss = dict(type=f"anl_seg.{name}", loss_name="loss_x")
    assert losses_of(segmentor(loss, auxiliary=False, sampler=sampler)) == {"decode.loss_x"}
    sampler = dict(type="OHEMPixelSampler", min_kept=50)  # by the loss itself
    assert losses_of(segmentor(loss, auxiliary=False, sampler=sampler)) == {"decode.loss_x"}


def test_in_a_binary_head():
    loss = dict(type="anl_seg.ANLCELoss", use_sigmoid=True)
    model = segmentor(loss, classes=2, auxiliary=False, out_channels=1, threshold=0.5)
    assert losses_of(model, classes=2) == {"decode.loss_anl_ce"}
