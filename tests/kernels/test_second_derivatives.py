"""Gradients of gradients, and what else looks through a loss: as of the functional form, or an error."""

from __future__ import annotations

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch.autograd.functional import hessian
from torch.utils.checkpoint import checkpoint

from anl_seg.functional import mass_balance as functional_mass_balance
from anl_seg.kernels import functional_form, fused_pixel_loss
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance
from anl_seg.models.losses import ANLCELoss, CELoss
from tests.kernels.forms import ALL_TERMS, OF_MARGIN, assert_same, form, forms

WAYS = [(1, OF_MARGIN, None), (2, ALL_TERMS, None), (3, ALL_TERMS, 0.05), (1, OF_MARGIN, 0.05)]


def batch(classes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(2, classes, 3, generator=generator).to(dtype)
    target = torch.randint(0, max(classes, 2), (2, 3), generator=generator)
    target[0, 0] = 255
    return logits, target


def number(loss, mass):
    """Not linear in what it is made of."""
    return loss.square().sum() + (0.0 if mass is None else mass.square().sum())


def by_kernel(target, parts, mass_min):
    return lambda z: number(*fused_pixel_loss(z, target, parts, mass_min=mass_min))


def by_functional(target, parts, mass_min):
    return lambda z: number(*functional_form.pixel_loss(z, target, parts, 255, mass_min))


def per_column(loss, logits):
    """Gradients of each loss, asked for together."""
    rows = torch.eye(loss.numel(), dtype=loss.dtype).view(-1, *loss.shape)
    return torch.autograd.grad(loss, logits, rows, retain_graph=True, is_grads_batched=True)[0]


@forms
@pytest.mark.parametrize(("classes", "parts", "mass_min"), WAYS)
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_second_derivatives_are_right(classes, parts, mass_min, in_c):
    for dtype in (torch.float32, torch.float64):
        logits, target = batch(classes, dtype)
        expected = hessian(by_functional(target, parts, mass_min), logits)
        assert expected.abs().max() > 0.1
        with form(in_c):
            function = by_kernel(target, parts, mass_min)
            assert_same([hessian(function, logits)], [expected])
            assert_same([hessian(function, logits, vectorize=True)], [expected])
            assert_same([torch.func.hessian(function)(logits)], [expected])
            leaf = logits.clone().requires_grad_()
            loss, _ = fused_pixel_loss(leaf, target, parts, mass_min=mass_min)
            each = [torch.autograd.grad(x, leaf, retain_graph=True)[0] for x in loss.flatten()]
            assert_same([per_column(loss, leaf)], [torch.stack(each)])


@forms
@pytest.mark.parametrize("classes", [2, 4])
def test_a_gradient_penalty_is_that_of_the_functional_form(classes, in_c):
    logits, target = batch(classes)
    for options in ({}, {"entropy_weight": 1.0}):
        grads = []
        for kernels in ("fused", "reference"):
            leaf = logits.clone().requires_grad_()
            with form(in_c):
                loss = ANLCELoss(kernels=kernels, **options)(2.0 * leaf, target)
                (grad,) = torch.autograd.grad(loss, leaf, create_graph=True)
                grad.square().sum().backward()
            grads.append(leaf.grad)
        assert grads[1].abs().max() > 1e-4
        assert_same(grads[:1], grads[1:], 1e-5)


@forms
@pytest.mark.parametrize(("classes", "parts", "mass_min"), WAYS)
def test_transforms_of_torch_func_and_forward_mode(classes, parts, mass_min, in_c):
    logits, target = batch(classes)
    both = torch.stack([logits, 2.0 * logits])
    tangent = torch.linspace(-1.0, 1.0, logits.numel()).view(logits.shape)
    plain, kernel = by_functional(target, parts, mass_min), by_kernel(target, parts, mass_min)
    leaf = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(plain(leaf), leaf)
    with form(in_c):
        assert_same([torch.func.grad(kernel)(logits)], [expected])
        assert_same([torch.func.jacrev(kernel)(logits)], [expected])
        along = (expected * tangent).sum()
        assert_same([torch.func.jvp(kernel, (logits,), (tangent,))[1]], [along])
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(logits, tangent)
            assert_same([forward_ad.unpack_dual(kernel(dual)).tangent], [along])
        assert_same([torch.vmap(kernel)(both)], [torch.stack([plain(z) for z in both])])
        labels = torch.stack([target, target.flip(1)])
        found = torch.vmap(lambda z, y: by_kernel(y, parts, mass_min)(z))(both, labels)
        one_by_one = [by_functional(y, parts, mass_min)(z) for z, y in zip(both, labels)]
        assert_same([found], [torch.stack(one_by_one)])


def test_wrong_labels_are_named_under_grad():
    logits, target = batch(3)
    target[1, 1] = 77
    with pytest.raises(ValueError, match="found 77"):
        torch.func.grad(lambda z: fused_pixel_loss(z, target, OF_MARGIN)[0].sum())(logits)


def test_a_loss_of_a_config_does_so_too_or_says_what_to_do():
    logits, target = batch(3)
    expected = torch.func.grad(lambda z: CELoss(kernels="reference")(z, target))(logits)
    assert_same([torch.func.grad(lambda z: CELoss()(z, target))(logits)], [expected])
    for transform in (torch.func.grad, torch.vmap):
        with pytest.raises(RuntimeError, match=r"torch.func.*kernels='reference'"):
            transform(lambda z: CELoss(kernels="fused")(z, target))(logits)
    with (
        forward_ad.dual_level(),
        pytest.raises(RuntimeError, match=r"forward-mode.*kernels='reference'"),
    ):
        CELoss(kernels="fused")(forward_ad.make_dual(logits, logits), target)


@forms
def test_weights_by_mass_under_vmap(in_c):
    logits, target = batch(3)
    both = torch.stack([logits, 2.0 * logits])
    with form(in_c):
        found = torch.vmap(lambda z: mass_balance(z, target, 0.5))(both)
    assert_same([found], [torch.stack([functional_mass_balance(z, target, 0.5) for z in both])])


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_the_same_of_logits_that_are_resized(classes):
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(2, classes, 2, 3, generator=generator)
    target = torch.randint(0, max(classes, 2), (2, 5, 4), generator=generator)
    target[0, 0] = 255
    weight = torch.rand(2, 5, 4, generator=generator)

    def kernel(z):
        found = upsampled_pixel_loss(z, target, weight, ALL_TERMS, mass_min=0.05)
        return number(found.total, found.mass)

    def plain(z):
        large = F.interpolate(z, (5, 4), mode="bilinear")
        loss, mass = functional_form.pixel_loss(large, target, ALL_TERMS, 255, 0.05)
        return number((loss * weight).sum(), mass)

    expected, both = hessian(plain, logits), torch.stack([logits, -logits])
    for found in (
        hessian(kernel, logits),
        hessian(kernel, logits, vectorize=True),
        torch.func.hessian(kernel)(logits),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max())
    assert_same([torch.vmap(kernel)(both)], [torch.stack([plain(z) for z in both])])
    tangent = torch.ones_like(logits)
    found, wanted = (torch.func.jvp(f, (logits,), (tangent,)) for f in (kernel, plain))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-2)
    weights = torch.vmap(lambda z: upsampled_mass_balance(z, target))(both)
    assert_same([weights], [torch.stack([upsampled_mass_balance(z, target) for z in both])])


@forms
@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing(reentrant, in_c):
    for classes, parts, mass_min in WAYS:
        logits, target = batch(classes)
        with form(in_c):
            grads = []
            for run in (lambda f, z: f(z), lambda f, z: checkpoint(f, z, use_reentrant=reentrant)):
                leaf = logits.clone().requires_grad_()
                run(by_kernel(target, parts, mass_min), leaf).backward()
                grads.append(leaf.grad)
        assert torch.equal(*grads)
