from __future__ import annotations

import math

import pytest
import torch

from anl_seg.functional import mass_balance as functional_mass_balance
from anl_seg.kernels import compiled
from anl_seg.kernels import mass_balance as module
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.models.losses import ANLCELoss


def batch(classes, shape=(23, 31), dtype=torch.float32):
    generator = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn(3, classes, *shape, generator=generator)
    target = torch.randint(0, max(classes, 2), (3, *shape), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.3] = 255
    return logits.to(dtype), target


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch):
    """Several tasks, which do not divide the pixels."""
    monkeypatch.setattr(compiled, "TASK_VALUES", 64)


@pytest.fixture
def calls(monkeypatch):
    """How often the functional form was called."""
    found = []

    def counted(*args, **kwargs):
        found.append(1)
        return plain(*args, **kwargs)

    plain = module.pixel_factors
    monkeypatch.setattr(module, "pixel_factors", counted)
    return found


built = pytest.mark.skipif(compiled.library() is None, reason="installed without a C compiler")


@built
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(23, 31), (), (7,)])
@pytest.mark.parametrize("classes", [1, 2, 3, 19, 300])
def test_is_the_functional_form(classes, shape, dtype, calls):
    logits, target = batch(classes, shape, dtype)
    target.view(-1)[0] = 0
    for exponent in (0.0, 0.4, 1.0):
        expected = functional_mass_balance(logits.double(), target, exponent).float()
        torch.testing.assert_close(
            mass_balance(logits, target, exponent), expected, rtol=1e-5, atol=1e-6
        )
    assert not calls


@built
def test_strides_of_classes_and_samples(calls):
    logits, target = batch(5)
    part, labels = logits[1:, 1:4], target[1:].clamp(max=2)
    torch.testing.assert_close(mass_balance(part, labels), functional_mass_balance(part, labels))
    assert not calls


@built
def test_all_ignored_nan_where_ignored_and_wide_logits():
    logits, target = batch(5)
    assert (mass_balance(logits, torch.full_like(target, 255)) == 0).all()
    logits[:, :, 0, 0], target[:, 0, 0] = math.nan, 255
    weight = mass_balance(logits, target)
    assert torch.isfinite(weight).all()
    assert (weight[target == 255] == 0).all()
    far = torch.zeros(1, 3, 2, 2)
    far[:, 0] = 1e4  # two classes predicted nowhere
    assert torch.isfinite(mass_balance(far, torch.zeros(1, 2, 2, dtype=torch.long))).all()


def test_where_it_is_the_functional_form(calls, monkeypatch):
    logits, target = batch(4)
    last = logits.contiguous(memory_format=torch.channels_last)
    for z in (logits.double(), last):
        expected = functional_mass_balance(z, target)
        torch.testing.assert_close(mass_balance(z, target), expected)
    mass_balance(logits, target, kernels="reference")
    monkeypatch.setattr(compiled, "library", lambda: None)
    mass_balance(logits, target)
    assert len(calls) == 4


def test_a_loss_tells_it_which_kernels(calls):
    logits, target = batch(4)
    loss = ANLCELoss(kernels="reference")(logits, target)
    assert len(calls) == 1
    torch.testing.assert_close(ANLCELoss()(logits, target), loss)


def test_wrong_input_is_named():
    logits, target = batch(4)
    with pytest.raises(ValueError, match=r"mass_balance must lie in \[0, 1\]; got 3"):
        mass_balance(logits, target, 3)
    with pytest.raises(ValueError, match="labels must have shape"):
        mass_balance(logits, target[:1])


@built
def test_wrong_labels_are_named():
    logits, target = batch(4)
    with pytest.raises(ValueError, match=r"label\(s\) out of range: found 7"):
        mass_balance(logits, torch.full_like(target, 7))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_cuda_as_on_the_cpu(calls):
    logits, target = batch(19)
    found = mass_balance(logits.cuda(), target.cuda())
    torch.testing.assert_close(found.cpu(), mass_balance(logits, target))
    assert not calls
