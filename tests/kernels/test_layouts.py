"""However logits and labels lie in memory, and however few they are, the fused forms give what the functional
form gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from anl_seg import functional
from anl_seg.kernels import functional_form, fused_pixel_loss
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance
from anl_seg.models.losses import ANLCELoss
from tests.kernels.forms import (
    ALL_TERMS,
    OF_MARGIN,
    assert_same,
    form,
    forms,
    of_functional,
    of_fused,
)


def in_steps(x):
    """Every second value of each row of a larger tensor."""
    wide = torch.zeros(*x.shape[:-1], 2 * x.shape[-1] + 1, dtype=x.dtype)
    wide[..., 1::2] = x
    return wide[..., 1::2]


def cropped(x):
    """The middle of a tensor that is larger in every dimension."""
    return F.pad(x, [1, 2] * x.dim())[tuple(slice(1, -2) for _ in x.shape)]


def transposed(x):
    """Rows and columns changed places in memory."""
    return x.transpose(-1, -2).contiguous().transpose(-1, -2) if x.dim() > 1 else x


def expanded(x):
    """One sample that stands for all."""
    return x[:1].expand(x.shape)


def expanded_pixels(x):
    """One column that stands for all."""
    return x[..., :1].expand(x.shape)


def to_be_negated(x):
    """A view of which torch remembers that its values are to be negated."""
    return torch.complex(torch.zeros_like(x), -x).conj().imag


LABELS = {
    "plain": lambda y: y,
    "cropped": cropped,
    "transposed": transposed,
    "in_steps": in_steps,
    "expanded": expanded,
    "expanded_pixels": expanded_pixels,
    "bytes": lambda y: cropped(y.to(torch.uint8)),
}
LOGITS = {
    "plain": lambda z: z,
    "channels_last": lambda z: z.transpose(1, -1).contiguous().transpose(1, -1),
    "cropped": cropped,
    "transposed": transposed,
    "in_steps": in_steps,
    "expanded": expanded,
    "expanded_pixels": expanded_pixels,
    "every_second_class": lambda z: z.repeat_interleave(2, dim=1)[:, ::2],
    "to_be_negated": to_be_negated,
    "float64": lambda z: cropped(z.double()),
    "bfloat16": lambda z: transposed(z.bfloat16()),
}


def batch(classes, shape):
    generator = torch.Generator().manual_seed(classes)
    logits = 2 * torch.randn(3, classes, *shape, generator=generator)
    target = torch.randint(0, max(classes, 2), (3, *shape), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


def tolerance(layout):
    return 2e-2 if layout == "bfloat16" else 1e-4


#: Classes, terms and clamp of the mass: the ways that a loss is computed.
WAYS = [(1, OF_MARGIN, None), (2, OF_MARGIN, None), (2, ALL_TERMS, None), (4, ALL_TERMS, 0.05)]


@forms
@pytest.mark.parametrize("layout", LOGITS)
def test_every_layout_runs_and_agrees(layout, in_c):
    for classes, parts, mass_min in WAYS:
        for shape in ((4, 6), (5,), ()):
            logits, target = batch(classes, shape)
            logits = LOGITS[layout](logits)
            for labels in LABELS.values() if shape == (4, 6) else [LABELS["in_steps"]]:
                there = labels(target)
                with form(in_c):
                    found = of_fused(logits, there, parts, mass_min)
                    weights = mass_balance(logits, there, 0.5)
                expected = of_functional(logits, there, parts, mass_min)
                assert_same(found, expected, tolerance(layout))
                assert_same([weights], [functional.mass_balance(logits, there, 0.5)])


@pytest.mark.parametrize("layout", LOGITS)
def test_every_layout_of_logits_that_are_resized(layout):
    for classes, labels in ((1, "cropped"), (3, "transposed"), (3, "expanded"), (3, "bytes")):
        logits = LOGITS[layout](batch(classes, (4, 3))[0])
        target = LABELS[labels](batch(classes, (9, 8))[1])
        leaf = logits.detach().requires_grad_()
        found = upsampled_pixel_loss(leaf, target, None, ALL_TERMS, mass_min=0.05)
        (grad,) = torch.autograd.grad(found.total + found.mass[0], leaf)
        plain = logits.detach().double().resolve_neg().requires_grad_()
        large = F.interpolate(plain, target.shape[1:], mode="bilinear")
        loss, mass = functional_form.pixel_loss(large, target, ALL_TERMS, 255, 0.05)
        (expected,) = torch.autograd.grad(loss.sum() + mass[0], plain)
        assert_same([found.total, grad], [loss.sum(), expected], tolerance(layout))
        weights = upsampled_mass_balance(logits, target, 0.5)
        assert_same([weights], [functional.mass_balance(large.detach(), target, 0.5)])


NOTHING = [
    *((0, classes, *shape) for classes in (1, 2, 4) for shape in ((4, 6), (5,), ())),
    *((2, classes, *shape) for classes in (1, 2, 4) for shape in ((0, 6), (4, 0), (0,))),
    (0, 2, 0, 0),
]


@forms
@pytest.mark.parametrize("shape", NOTHING, ids=str)
def test_no_pixel_is_a_zero_with_a_gradient(shape, in_c):
    target = torch.zeros(shape[0], *shape[2:], dtype=torch.int64)
    for dtype in (torch.float32, torch.float64):
        logits = torch.zeros(shape, dtype=dtype)
        for parts, mass_min in ((OF_MARGIN, None), (ALL_TERMS, 0.05)):
            with form(in_c):
                found = of_fused(logits, target, parts, mass_min)
                weights = mass_balance(logits, target)
            assert_same(found, of_functional(logits, target, parts, mass_min))
            assert weights.shape == target.shape
        leaf = logits.requires_grad_()
        with form(in_c):
            loss = ANLCELoss(entropy_weight=1.0)(leaf, target)
        loss.backward()
        assert loss == 0
        assert leaf.grad.shape == leaf.shape


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)], ids=str)
@pytest.mark.parametrize("images", [0, 2])
def test_labels_without_a_pixel_are_a_zero_of_small_logits(images, size):
    for classes, small in ((1, (2, 3)), (3, (2, 3)), (3, (0, 3)), (2, (2, 0))):
        logits = torch.ones(images, classes, *small, requires_grad=True)
        target = torch.zeros(images, *size, dtype=torch.int64)
        found = upsampled_pixel_loss(logits, target, None, ALL_TERMS, mass_min=0.05)
        (found.total + found.mass.sum()).backward()
        assert found.total == 0
        assert found.correct == 0
        assert logits.grad.shape == logits.shape
        assert not logits.grad.any()
        assert upsampled_mass_balance(logits, target).shape == target.shape


def test_several_threads_under_inference_mode():
    logits, target = batch(4, (64, 64))
    expected = fused_pixel_loss(logits.double(), target, ALL_TERMS, mass_min=0.05)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch.inference_mode():
            found = fused_pixel_loss(logits.double(), target, ALL_TERMS, mass_min=0.05)
            two = fused_pixel_loss(logits[:, :2].double(), target.clamp(max=1), OF_MARGIN)[0]
    finally:
        torch.set_num_threads(threads)
    assert_same(found, expected, 1e-12)
    assert two.isfinite().all()
