"""T-Loss: against the authors' values, a slow form with the whole covariance, and the contract."""

from __future__ import annotations

import json
import math
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

from anl_seg.functional.t_loss import multiclass_t_loss, student_t_shares, t_loss
from tests.functional.test_properties import (  # noqa: F401  (the contract, run on this loss)
    C,
    batch,
    gradient,
    test_all_ignored_is_zero_and_attached,
    test_bad_shapes_and_types_are_named,
    test_dtypes,
    test_extreme_logits_stay_finite,
    test_gradcheck,
    test_inputs_are_left_intact,
    test_label_out_of_range_is_named,
    test_one_channel_is_a_binary_head,
    test_options_are_keywords_and_documented,
    test_permuting_classes_permutes_gradients,
)

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
RECORDS = [r for r in MANIFEST["records"] if r["loss"] in ("tloss", "tloss_logits")]


@lru_cache(maxsize=8)
def arrays(file):
    with np.load(GOLDEN / file) as data:
        return dict(data)


@pytest.fixture(params=[False, True])
def loss_function(request):
    loss = partial(multiclass_t_loss, per_image=request.param)
    loss.__name__ = f"multiclass_t_loss_per_image_{request.param}"
    return loss


def direct(errors, nu, log_precision=1.0, epsilon=1e-8):
    """The Student t density of one image, written with determinant and quadratic form."""
    size = len(errors)
    freedom = torch.exp(nu) + epsilon
    scale = math.exp(-(log_precision + epsilon)) * torch.eye(size, dtype=torch.float64)
    form = errors @ torch.linalg.inv(scale) @ errors
    log_density = (
        torch.lgamma((freedom + size) / 2)
        - torch.lgamma(freedom / 2)
        - size / 2 * math.log(math.pi)
        - size / 2 * (nu + epsilon)
        - torch.logdet(scale) / 2
        - (freedom + size) / 2 * torch.log(1 + form / freedom)
    )
    return -log_density


def test_every_golden_record_is_there():
    assert [sum(r["loss"] == k for r in RECORDS) for k in ("tloss", "tloss_logits")] == [24, 24]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("record", RECORDS, ids=[r["id"] for r in RECORDS])
def test_golden(record, dtype):
    data, kind = arrays(record["file"]), getattr(torch, dtype)
    tolerance = MANIFEST["tolerances"][record["loss"]][dtype]
    params = dict(record["params"])
    nu = torch.tensor(params.pop("nu"), dtype=kind, requires_grad=True)
    if record["loss"] == "tloss":
        prediction = torch.tensor(data["prob"], dtype=kind, requires_grad=True)
        error = (prediction - torch.tensor(data["target"])).square()
        loss = student_t_shares(error, torch.ones_like(error), nu=nu, **params)
    else:
        prediction = torch.tensor(data["logits"], dtype=kind, requires_grad=True)
        loss = t_loss(prediction, torch.tensor(data["labels"]), nu=nu, **params)
        both = multiclass_t_loss(prediction, torch.tensor(data["labels"]), nu=nu, **params)
        assert torch.equal(both, loss)
    images = loss.flatten(1).sum(dim=1)
    images.mean().backward()

    def close(actual, expected, key):
        rtol, atol = tolerance[f"{key}_rtol"], tolerance[f"{key}_atol"]
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)

    row = record["row"]
    close(images.detach().numpy(), data[record["image_key"]][row], "loss")
    close(images.mean().item(), record["mean_loss"], "loss")
    close(prediction.grad.numpy(), data[record["grad_key"]][row], "grad")
    assert abs(nu.grad.item() - record["grad_nu"]) <= tolerance["grad_nu_atol"]


def test_per_image_is_the_mean_over_images_as_published():
    record = next(r for r in RECORDS if r["id"] == "c2_plain.tloss_logits.default")
    data = arrays(record["file"])
    loss = t_loss(torch.tensor(data["logits"]), torch.tensor(data["labels"]), per_image=True)
    assert loss.mean().item() == pytest.approx(record["mean_loss"], rel=1e-11)


@pytest.mark.parametrize("log_precision", [1.0, 0.0])
def test_equals_the_direct_form(log_precision):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 4, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (3, 4, 5), generator=generator)
    labels[0, 1:] = 255
    for nu in (-1.0, 1.0, 3.0):
        nu = torch.tensor(nu, dtype=torch.float64, requires_grad=True)
        z = logits.clone().requires_grad_()
        ours = t_loss(z, labels, nu=nu, log_precision=log_precision).flatten(1).sum(dim=1)
        errors = torch.softmax(z, dim=1)[:, 1] - labels
        slow = [direct(e[y != 255], nu, log_precision) for e, y in zip(errors, labels)]
        slow = torch.stack(slow)
        torch.testing.assert_close(ours, slow)
        first = torch.autograd.grad(ours.sum(), (z, nu), retain_graph=True)
        torch.testing.assert_close(first, torch.autograd.grad(slow.sum(), (z, nu)))


def test_multiclass_equals_the_direct_form(batch):  # noqa: F811
    logits, labels = batch
    nu = torch.tensor(0.5, dtype=torch.float64)
    label = torch.nn.functional.one_hot(labels, C).movedim(-1, 1)
    distance = ((torch.softmax(logits, dim=1) - label) ** 2).sum(dim=1) / 2
    expected = torch.stack([direct(e.flatten().sqrt(), nu) for e in distance])
    loss = multiclass_t_loss(logits, labels, nu=nu)
    torch.testing.assert_close(loss.flatten(1).sum(dim=1), expected)


def test_weights_are_repetitions_and_ignored_pixels_are_absent():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, C, 9, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 9), generator=generator)
    twice = torch.cat([logits, logits[..., :3]], dim=2), torch.cat([labels, labels[:, :3]], dim=1)
    w = torch.ones(9, dtype=torch.float64).index_fill(0, torch.arange(3), 2.0).expand(2, 9)
    loss = multiclass_t_loss(logits, labels, weight=w)
    torch.testing.assert_close(loss, multiclass_t_loss(*twice)[:, :9])
    wild = torch.where(torch.arange(9) < 5, logits, 1e4)
    ignored = torch.where(torch.arange(9) < 5, labels, 255)
    for per_image in (False, True):
        kept = multiclass_t_loss(wild, ignored, per_image=per_image)
        alone = multiclass_t_loss(logits[..., :5], labels[:, :5], per_image=per_image)
        torch.testing.assert_close(kept[:, :5], alone)
        assert (kept[:, 5:] == 0).all()
        zero = multiclass_t_loss(
            logits, labels, per_image=per_image, weight=(torch.arange(9) < 5).expand(2, 9)
        )
        torch.testing.assert_close(zero[:, :5], alone)


def test_an_image_without_valid_pixels_counts_nowhere(batch):  # noqa: F811
    logits, labels = batch[0], batch[1].clone()
    labels[0] = 255
    loss = multiclass_t_loss(logits, labels, per_image=True)
    alone = multiclass_t_loss(logits[1:], labels[1:], per_image=True)
    torch.testing.assert_close(loss.sum() / (labels != 255).sum(), alone.mean())


def test_nu_of_an_all_ignored_batch_is_attached_with_gradient_zero(batch):  # noqa: F811
    nu = torch.tensor(1.0, requires_grad=True)
    loss = multiclass_t_loss(batch[0], torch.full_like(batch[1], 255), nu=nu)
    loss.sum().backward()
    assert (loss == 0).all()
    assert nu.grad == 0


@pytest.mark.parametrize("shape", [(3,), (3, 20), (3, 4, 5), (3, 2, 2, 5)])
def test_any_number_of_spatial_dimensions(shape):
    logits, labels = torch.randn(3, C, *shape[1:]), torch.randint(0, C, shape)
    flat = multiclass_t_loss(logits.reshape(3, C, -1), labels.reshape(3, -1))
    torch.testing.assert_close(multiclass_t_loss(logits, labels).reshape(3, -1), flat)
    assert multiclass_t_loss(logits[:0], labels[:0]).shape == (0, *shape[1:])


def test_nan_logits_pass_through_to_their_image(batch):  # noqa: F811
    logits, labels = batch[0].clone(), batch[1].clone()
    logits[0, 2, 3, 3] = math.nan
    loss = multiclass_t_loss(logits, labels)
    assert loss[0].isnan().all()
    assert loss[1].isfinite().all()
    labels[0, 3, 3] = 255
    assert multiclass_t_loss(logits, labels).isfinite().all()


@pytest.mark.parametrize("quality", ["good", "perfect", "wrong", "flat"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_stable_at_512_x_512(dtype, quality):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 2, (1, 512, 512), generator=generator)
    sign = 2.0 * labels.unsqueeze(1) - 1
    logits = {
        "good": 3 * sign + torch.randn(sign.shape, generator=generator),
        "perfect": 100 * sign,
        "wrong": -100 * sign,
        "flat": 0 * sign,
    }[quality].to(dtype)

    def gradients(z):
        nu = torch.tensor(1.0, requires_grad=True)
        z = z.clone().requires_grad_()
        loss = t_loss(z, labels, nu=nu)
        mean = loss.sum() / labels.numel()
        return mean, *torch.autograd.grad(mean * labels.numel(), (nu, z))

    mean, grad_nu, grad = gradients(logits)
    exact = gradients(logits.double())
    assert mean.isfinite()
    torch.testing.assert_close(mean.double(), exact[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(grad_nu, exact[1], rtol=1e-4, atol=1e-3)
    tolerance = dict(rtol=1e-4, atol=1e-6) if dtype == torch.float32 else dict(rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(grad.double(), exact[2], **tolerance)


def test_wrong_parameters_are_named(batch):  # noqa: F811
    with pytest.raises(ValueError, match=r"published for two classes; the logits have 5"):
        t_loss(*batch)
    with pytest.raises(ValueError, match=r"epsilon must be a positive number; got 0"):
        multiclass_t_loss(*batch, epsilon=0.0)
    with pytest.raises(ValueError, match="log_precision must be a finite number; got inf"):
        multiclass_t_loss(*batch, log_precision=math.inf)
