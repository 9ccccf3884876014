"""GJSLoss of two views: the contract, the published values, and training steps of a real model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from anl_seg.config import load_config
from anl_seg.models.losses.generalized_jensen_shannon import GJSLoss
from tests.models.loss_contract import (  # noqa: F401  (the contract, run on this loss)
    Build,
    C,
    test_all_ignored_batch_is_zero_and_attached,
    test_points_and_binary_heads,
    test_precision_inside_and_outside_of_autocast,
    test_reductions_equal_the_function,
    test_weights_enter_numerator_and_denominator,
)
from tests.references import direct_losses

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
RECORDS = [record for record in MANIFEST["records"] if record["loss"] == "gjs"]


@pytest.fixture
def build():
    return Build("GJSLoss", dict(views=2, pi=(0.3, 0.35, 0.35)))


@pytest.fixture
def pixels():
    def of_batch(logits, labels):
        first, second = logits.chunk(2)
        half = labels.chunk(2)[0]
        loss = direct_losses.generalized_jensen_shannon(
            first, half.clamp(max=C - 1), pi=0.3, logits2=second
        )
        loss = torch.where(half == 255, 0.0, loss)
        return torch.cat([loss, loss])

    return of_batch


@pytest.fixture
def batch():
    """Two images, then a second view of each."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4, C, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 5, 6), generator=generator)
    labels[0, :2] = 255
    return logits, torch.cat([labels, labels])


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_the_published_two_views(record):
    """Mean, each pixel and the gradient of both views are those of the authors' code."""
    with np.load(GOLDEN / record["file"]) as file:
        data = dict(file)
    tolerance = MANIFEST["tolerances"]["gjs"]["float64"]
    logits = torch.tensor(np.concatenate([data["logits"], data["logits2"]]), requires_grad=True)
    labels = torch.tensor(np.concatenate([data["labels"]] * 2))
    loss = GJSLoss(pi=record["params"]["weights"], scaled=record["params"]["scaled"], views=2)
    mean = loss(logits, labels)
    mean.backward()

    def close(actual, expected, kind):
        rtol, atol = tolerance[f"{kind}_rtol"], tolerance[f"{kind}_atol"]
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)

    row = record["row"]
    close(mean.item(), record["mean_loss"], "loss")
    each = loss(logits, labels, reduction_override="none").detach()
    close(each, np.concatenate([data[record["map_key"]][row]] * 2), "loss")
    grads = [data[record[key]][row] for key in ("grad_key", "grad2_key")]
    close(logits.grad, np.concatenate(grads), "grad")


def test_views_of_different_weight(batch):
    """By the definition: sum_i pi_i KL(d_i || m) / Z."""
    pi = torch.tensor([0.2, 0.7, 0.1], dtype=torch.float64)
    first, second = batch[0].chunk(2)
    labels = batch[1].chunk(2)[0]
    label = torch.nn.functional.one_hot(labels.clamp(max=C - 1), C).movedim(-1, 1).double()
    parts = torch.stack([label, first.softmax(1), second.softmax(1)])
    mixed = torch.einsum("v,vnchw->nchw", pi, parts)
    each = torch.special.xlogy(parts, parts / mixed).sum(2)
    expected = torch.einsum("v,vnhw->nhw", pi, each) / -(0.8 * np.log(0.8))
    loss = GJSLoss(pi=pi.tolist(), views=2)(*batch, reduction_override="none")
    valid = labels != 255
    torch.testing.assert_close(loss[:2][valid], expected[valid], rtol=1e-4, atol=1e-6)
    assert "views=2" in repr(GJSLoss(views=2))


def test_weights_of_a_pair(batch):
    """A pair's weight is that of its two pixels together, and both views learn from it."""
    weight = torch.rand(batch[1].shape, dtype=torch.float64)
    weight[2:] = 0.0
    logits = batch[0].clone().requires_grad_()
    loss = GJSLoss(views=2, pi=0.4)
    total = loss(logits, batch[1], weight)
    halves = torch.cat([weight[:2], weight[:2]]) / 2
    torch.testing.assert_close(total, loss(*batch, halves))
    total.backward()
    for half in logits.grad.chunk(2):
        assert half.abs().sum() > 0
        assert (half.movedim(1, -1)[batch[1][:2] == 255] == 0).all()


def test_batches_that_are_not_two_views(batch):
    logits, labels = batch
    loss = GJSLoss(views=2)
    with pytest.raises(ValueError, match=r"N must be even; got 3.*TwoViewSegDataPreProcessor"):
        loss(logits[:3], labels[:3])
    other = labels.clone()
    other[3, 0, 0] = (other[3, 0, 0] + 1) % C
    for _ in range(2):
        with pytest.raises(ValueError, match=r"same labels in both halves.*1 of 60 pixels differ"):
            loss(logits, other)
    other = labels.clone()
    other[0, 4] = 255  # ignored in one half only
    with pytest.raises(ValueError, match="6 of 60 pixels differ"):
        loss(logits, other)
    with pytest.raises(ValueError, match=r"labels must have shape \(4, 5, 6\).*got \(2, 5, 6\)"):
        loss(logits, labels[:2])
    with pytest.raises(ValueError, match=r"label\(s\) out of range"):
        loss(logits, torch.where(labels == 0, 7, labels))


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (dict(views=3), "views must be 1 or 2; got 3"),
        (dict(views=2, pi=(0.5, 0.5)), r"3 positive numbers that sum to 1.*got \(0.5, 0.5\)"),
        (dict(views=2, pi=(0.5, 0.3, 0.3)), "sum to 1"),
        (dict(views=2, pi=(0.5, 0.5, 0.0)), "3 positive numbers"),
        (dict(pi=(0.3, 0.35, 0.35)), "2 positive numbers"),
        (dict(views=2, pi=1.0), r"pi must lie in \(0, 1\); got 1.0"),
        (dict(pi="0.3 0.7"), "pi must be one number"),
        (dict(pi=None), "pi must be one number.*got None"),
    ],
)
def test_wrong_parameters(params, text):
    with pytest.raises(ValueError, match=text):
        GJSLoss(**params)


def samples(count: int, classes: int, size: int = 64) -> dict:
    generator = torch.Generator().manual_seed(3)
    data = {"inputs": [], "data_samples": []}
    for _ in range(count):
        image = torch.randint(0, 256, (3, size, size), generator=generator, dtype=torch.uint8)
        labels = torch.randint(0, classes, (1, size, size), generator=generator)
        labels[:, :4] = 255
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
        sample.set_metainfo(dict(img_shape=(size, size), ori_shape=(size, size)))
        data["inputs"].append(image)
        data["data_samples"].append(sample)
    return data


def two_view_model(sampler=None):
    cfg = load_config(str(ROOT / "configs" / "quickstart" / "unet-small_480_ce_synthetic-64x64.py"))
    init_default_scope(cfg.default_scope)
    cfg.model.data_preprocessor.type = "anl_seg.TwoViewSegDataPreProcessor"
    cfg.model.decode_head.loss_decode = dict(type="anl_seg.GJSLoss", views=2, pi=[0.3, 0.35, 0.35])
    cfg.model.decode_head.sampler = sampler
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def test_training_steps_of_a_real_model():
    """The loss falls, each step sees both views with new changes, and prediction is of one view."""
    model = two_view_model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    seen, values = [], []
    model.backbone.register_forward_hook(lambda m, args, out: seen.append(args[0].detach().clone()))
    for _ in range(8):
        batch = model.data_preprocessor(samples(2, 6), True)
        total, log = model.parse_losses(model(**batch, mode="loss"))
        optimizer.zero_grad()
        total.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
        values.append(log["decode.loss_gjs"].item())
    assert values[-1] < values[0]
    assert all(len(images) == 4 for images in seen)
    assert all((images[:2] != images[2:]).any() for images in seen)
    assert not torch.equal(seen[0][2:], seen[1][2:])  # new changes at every step

    seen.clear()
    predictions = model.eval().val_step(samples(2, 6))
    assert len(predictions) == 2
    assert torch.equal(seen[0], model.data_preprocessor(samples(2, 6), False)["inputs"])


@pytest.mark.parametrize("sampler", [dict(thresh=0.7, min_kept=50), dict(min_kept=50)])
def test_beside_ohem(sampler):
    model = two_view_model(dict(type="OHEMPixelSampler", **sampler)).train()
    batch = model.data_preprocessor(samples(2, 6), True)
    total, _ = model.parse_losses(model(**batch, mode="loss"))
    total.backward()
    assert total > 0
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_usual_preprocessor_gives_an_error_in_words():
    model = two_view_model().train()
    model.data_preprocessor = MODELS.build(
        dict(type="SegDataPreProcessor", mean=[0.0] * 3, std=[1.0] * 3, size=(64, 64))
    )
    batch = model.data_preprocessor(samples(2, 6), True)
    with pytest.raises(ValueError, match=r"same labels.*TwoViewSegDataPreProcessor"):
        model(**batch, mode="loss")
