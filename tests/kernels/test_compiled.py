"""The compiled losses against the functional ones, and what happens where they were not built."""

from __future__ import annotations

import math

import pytest
import torch

from anl_seg.kernels import compiled, fused_pixel_loss, terms
from tests.kernels.test_fused_pixel_loss import PAIRS, assert_same, batch, fused, value_and_grad

pytestmark = pytest.mark.skipif(
    compiled.library() is None, reason="the package was installed without a C compiler"
)
ANL_CE = (terms.NormalizedCrossEntropy(5.0), terms.NormalizedNegativeCrossEntropy(5.0))


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch):
    """Several tasks, which do not divide the pixels."""
    monkeypatch.setattr(compiled, "TASK_VALUES", 64)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("classes", [1, 2, 3, 19, 300])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0, 1e4])
def test_equals_the_functional_form(name, classes, scale):
    term, function = PAIRS[name]
    logits, target, upstream = batch(classes, scale, shape=(23, 31), dtype=torch.float32)
    exact = value_and_grad(function, logits.double(), target, upstream)
    # Of logits of 1e4 float32 itself has lost digits of the small gradients.
    assert_same(value_and_grad(fused(term), logits, target, upstream), exact, 1e-5)


@pytest.mark.parametrize("classes", [2, 3, 19])
def test_every_value_to_five_digits(classes):
    logits, target, upstream = batch(classes, 2.0, shape=(40, 40), dtype=torch.float32)
    got = value_and_grad(fused(*ANL_CE), logits, target, upstream)[0]
    exact = fused_pixel_loss(logits.double(), target, ANL_CE)[0]
    torch.testing.assert_close(got.double(), exact, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 7])
def test_a_confident_pixel_keeps_its_digits(classes):
    """1 - p of a pixel with p next to 1, as focal factors need it."""
    logits = torch.zeros(1, classes, 1, 1)
    logits[0, 0] = 12.0
    target = torch.zeros(1, 1, 1, dtype=torch.int64)
    for term, function in PAIRS.values():
        got = value_and_grad(fused(term), logits, target, torch.ones(1, 1, 1))
        exact = value_and_grad(function, logits.double(), target, torch.ones(1, 1, 1))
        torch.testing.assert_close(got[0].double(), exact[0], rtol=1e-2, atol=1e-6)


def test_without_the_library_torch_does_the_same(monkeypatch):
    data = batch(5, dtype=torch.float32)
    expected = value_and_grad(fused(*ANL_CE), *data)
    monkeypatch.setattr(compiled, "library", lambda: None)
    assert not compiled.serves(data[0].flatten(2), ANL_CE)
    assert_same(value_and_grad(fused(*ANL_CE), *data), expected, 1e-5)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_mass(classes):
    logits, target, _ = batch(classes, dtype=torch.float32)
    factors = torch.arange(1.0, max(classes, 2) + 1.0)

    def function(z):
        loss, mass = fused_pixel_loss(z, target, ANL_CE, mass_min=0.05)
        return loss.sum() + (mass * factors.to(mass.dtype)).sum(), mass

    results = []
    for z in (logits.requires_grad_(), logits.detach().double().requires_grad_()):
        total, mass = function(z)
        total.backward()
        results.append((mass.detach(), z.grad))
    assert_same(results[0], results[1], 1e-5)


@pytest.mark.parametrize("classes", [2, 6])
def test_strides(classes):
    logits, target, upstream = batch(classes, shape=(8, 10), dtype=torch.float32)
    expected = value_and_grad(fused(*ANL_CE), logits, target, upstream)
    wide = torch.full((3, 2 * classes, 8, 10), math.nan)
    wide[:, ::2] = logits
    every_second = wide[:, ::2].requires_grad_()
    loss = fused_pixel_loss(every_second, target, ANL_CE)[0]
    assert torch.equal(loss, expected[0])
    half_target = target.repeat_interleave(2, dim=2)[:, :, ::2]
    assert torch.equal(fused_pixel_loss(logits, half_target, ANL_CE)[0], expected[0])


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_nan_stays_where_it_is(classes):
    logits, target, upstream = batch(classes, dtype=torch.float32)
    target[0, 0, 0], target[0, 0, 1] = 1, 255
    logits[0, :, 0, :2] = math.nan
    loss, grad = value_and_grad(fused(*ANL_CE), logits, target, upstream)
    assert loss[0, 0, 0].isnan()
    assert loss[0, 0, 1] == 0.0
    assert loss.isnan().sum() == 1
    assert not grad[0, :, 1:].isnan().any()


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("label", [-1, 7, 254, 2**40])
def test_a_label_out_of_range_is_named(classes, label):
    logits, target, _ = batch(classes, dtype=torch.float32)
    target[1, 2, 3] = label
    with pytest.raises(ValueError, match=str(label)):
        fused_pixel_loss(logits, target, ANL_CE)


def test_threads_make_no_difference():
    data = batch(5, shape=(64, 64), dtype=torch.float32)
    threads, results = torch.get_num_threads(), []
    try:
        for number in (1, 2, 5):
            torch.set_num_threads(number)
            results.append(value_and_grad(fused(*ANL_CE), *data))
    finally:
        torch.set_num_threads(threads)
    for loss, grad in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(grad, results[0][1])


def test_what_it_does_not_serve():
    logits = torch.randn(2, 5, 12)
    assert compiled.serves(logits, ANL_CE)
    assert not compiled.serves(logits.double(), ANL_CE)
    assert not compiled.serves(logits.transpose(1, 2).contiguous().transpose(1, 2), ANL_CE)
    many = tuple(terms.NormalizedFocal(gamma=0.1 * i) for i in range(compiled.MAX_SUMS + 1))
    assert not compiled.serves(logits, many)
