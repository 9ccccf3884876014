"""The fused losses against the functional ones, in value and gradient."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from anl_seg import functional as F
from anl_seg.kernels import blocked, fused_pixel_loss, terms, two_classes

PAIRS = {
    "cross_entropy": (terms.CrossEntropy(), F.cross_entropy),
    "focal_loss": (terms.Focal(gamma=2.0), F.focal_loss),
    "mean_absolute_error": (terms.MeanAbsoluteError(), F.mean_absolute_error),
    "reverse_cross_entropy": (terms.ReverseCrossEntropy(), F.reverse_cross_entropy),
    "generalized_cross_entropy": (
        terms.GeneralizedCrossEntropy(q=0.3),
        partial(F.generalized_cross_entropy, q=0.3),
    ),
    "asymmetric_generalized_cross_entropy": (
        terms.AsymmetricGeneralizedCrossEntropy(a=0.6, q=0.6),
        partial(F.asymmetric_generalized_cross_entropy, a=0.6, q=0.6),
    ),
    "asymmetric_unhinged_loss": (
        terms.AsymmetricUnhinged(a=5.5, q=3.0),
        partial(F.asymmetric_unhinged_loss, a=5.5, q=3.0),
    ),
    "asymmetric_exponential_loss": (
        terms.AsymmetricExponential(a=2.5),
        partial(F.asymmetric_exponential_loss, a=2.5),
    ),
    "normalized_cross_entropy": (terms.NormalizedCrossEntropy(), F.normalized_cross_entropy),
    "normalized_focal_loss": (
        terms.NormalizedFocal(gamma=0.7),
        partial(F.normalized_focal_loss, gamma=0.7),
    ),
    "normalized_negative_cross_entropy": (
        terms.NormalizedNegativeCrossEntropy(min_prob=1e-4),
        partial(F.normalized_negative_cross_entropy, min_prob=1e-4),
    ),
    "normalized_negative_focal_loss": (
        terms.NormalizedNegativeFocal(gamma=0.7, min_prob=1e-4),
        partial(F.normalized_negative_focal_loss, gamma=0.7, min_prob=1e-4),
    ),
}
CLASSES = [1, 2, 3, 7]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of which several are needed, that do not divide the pixels."""
    monkeypatch.setattr(blocked, "BLOCK_VALUES", 64)
    monkeypatch.setattr(two_classes, "BLOCK_PIXELS", 16)


def batch(
    classes: int, scale: float = 3.0, *, shape: tuple[int, ...] = (5, 7), dtype=torch.float64
):
    """Logits (3, C, *), labels with ignored pixels, and an upstream gradient."""
    generator = torch.Generator().manual_seed(classes)
    logits = scale * torch.randn(3, classes, *shape, generator=generator, dtype=torch.float64)
    target = torch.randint(0, max(classes, 2), (3, *shape), generator=generator)
    target.view(-1)[::5] = 255
    upstream = torch.randn(target.shape, generator=generator, dtype=torch.float64)
    return logits.to(dtype), target, upstream


def value_and_grad(function, logits, target, upstream):
    logits = logits.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    loss = function(logits, target)
    (loss * upstream.to(loss.dtype)).sum().backward()
    return loss.detach(), logits.grad


def fused(*parts):
    return lambda logits, target: fused_pixel_loss(logits, target, parts)[0]


def assert_same(got, expected, tolerance):
    for g, e in zip(got, expected):
        assert (g - e).abs().max() <= tolerance * max(1.0, float(e.abs().max()))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("scale", [3.0, 30.0, 1e4])
def test_equals_the_functional_form(name, classes, scale):
    term, function = PAIRS[name]
    data = batch(classes, scale)
    assert_same(value_and_grad(fused(term), *data), value_and_grad(function, *data), 1e-12)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("classes", [1, 2, 19])
def test_float32_and_half_precision(name, classes):
    term, function = PAIRS[name]
    logits, target, upstream = batch(classes, dtype=torch.float32)
    exact = value_and_grad(function, logits.double(), target, upstream)
    assert_same(value_and_grad(fused(term), logits, target, upstream), exact, 1e-5)
    for dtype, rounding in ((torch.float16, 2e-3), (torch.bfloat16, 1e-2)):
        half = logits.to(dtype)
        full = value_and_grad(fused(term), half.float(), target, upstream)
        loss, grad = value_and_grad(fused(term), half, target, upstream)
        assert (loss.dtype, grad.dtype) == (torch.float32, dtype)
        assert torch.equal(loss, full[0])
        assert_same([grad.float()], [full[1]], rounding)


@pytest.mark.parametrize("classes", [*CLASSES, 200])
def test_sum_of_all_terms(classes):
    weights = [0.5 + i for i in range(len(PAIRS))]
    parts = terms.joined(*(terms.scaled([t], w) for w, (t, _) in zip(weights, PAIRS.values())))

    def direct(logits, target):
        return sum(w * f(logits, target) for w, (_, f) in zip(weights, PAIRS.values()))

    data = batch(classes)
    assert_same(value_and_grad(fused(*parts), *data), value_and_grad(direct, *data), 1e-12)


@pytest.mark.parametrize("shape", [(), (9,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("classes", [2, 5])
def test_points_pixels_and_volumes(shape, classes):
    term, function = PAIRS["normalized_negative_cross_entropy"]
    data = batch(classes, shape=shape)
    assert_same(value_and_grad(fused(term), *data), value_and_grad(function, *data), 1e-12)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_channels_last_and_strided_logits(classes):
    term, function = PAIRS["normalized_focal_loss"]
    logits, target, upstream = batch(classes)
    expected = value_and_grad(function, logits, target, upstream)
    last = logits.to(memory_format=torch.channels_last)
    loss, grad = value_and_grad(fused(term), last, target, upstream)
    assert_same((loss, grad), expected, 1e-12)
    assert grad.is_contiguous(memory_format=torch.channels_last)
    wide = torch.empty(3, classes, 5, 14, dtype=torch.float64)[..., ::2].copy_(logits)
    strided = wide.requires_grad_()
    (fused(term)(strided, target) * upstream).sum().backward()
    assert_same([strided.grad], expected[1:], 1e-12)


@pytest.mark.parametrize("classes", [1, 2, 6])
def test_mass_and_its_gradient(classes):
    logits, target, _ = batch(classes, 8.0)
    factors = torch.arange(1.0, max(classes, 2) + 1.0, dtype=torch.float64)

    def direct(z):
        two = torch.cat([torch.zeros_like(z), z], 1) if classes == 1 else z
        p = two.softmax(1).clamp(1e-3, 1 - 1e-3) * (target != 255).unsqueeze(1)
        loss = F.normalized_cross_entropy(z, target)
        return loss.sum() + (p.sum((0, 2, 3)) * factors).sum()

    def by_kernel(z):
        term = terms.NormalizedCrossEntropy()
        loss, mass = fused_pixel_loss(z, target, [term], mass_min=1e-3)
        return loss.sum() + (mass * factors).sum()

    grads = []
    for function in (direct, by_kernel):
        z = logits.clone().requires_grad_()
        value = function(z)
        value.backward()
        grads.append((value.detach(), z.grad))
    assert_same(grads[1], grads[0], 1e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_no_or_one_valid_pixel(classes):
    term, function = PAIRS["normalized_negative_cross_entropy"]
    logits, target, upstream = batch(classes)
    target.fill_(255)
    loss, grad = value_and_grad(fused(term), logits, target, upstream)
    assert not loss.any()
    assert not grad.any()
    target[1, 2, 3] = 1
    data = logits, target, upstream
    assert_same(value_and_grad(fused(term), *data), value_and_grad(function, *data), 1e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_nan_stays_where_it_is(classes):
    logits, target, _ = batch(classes)
    logits[0, :, 0, 0] = float("nan")
    target[0, 0, 0], target[0, 0, 1] = 255, 0
    loss, _ = fused_pixel_loss(logits, target, [terms.CrossEntropy()])
    assert loss.isfinite().all()
    target[0, 0, 0] = 1
    loss, _ = fused_pixel_loss(logits, target, [terms.CrossEntropy()])
    assert loss.isnan().sum() == 1


@pytest.mark.parametrize("classes", [2, 5])
def test_inputs_are_left_intact_and_used_twice(classes):
    logits, target, _ = batch(classes)
    kept, kept_target = logits.clone(), target.clone()
    leaf = logits.requires_grad_()
    first, _ = fused_pixel_loss(leaf, target, [terms.CrossEntropy()])
    second, _ = fused_pixel_loss(leaf, target, [terms.MeanAbsoluteError()])
    (first.sum() + second.sum()).backward()
    both = value_and_grad(
        lambda z, t: F.cross_entropy(z, t) + F.mean_absolute_error(z, t),
        kept,
        target,
        torch.ones(target.shape),
    )
    assert_same([leaf.grad], both[1:], 1e-12)
    assert torch.equal(leaf.detach(), kept)
    assert torch.equal(target, kept_target)


@pytest.mark.parametrize("classes", [2, 5])
def test_activation_checkpointing_and_no_grad(classes):
    from torch.utils.checkpoint import checkpoint

    logits, target, upstream = batch(classes)
    run = fused(terms.NormalizedCrossEntropy())
    plain = value_and_grad(run, logits, target, upstream)
    again = value_and_grad(
        lambda z, t: checkpoint(run, z, t, use_reentrant=False), logits, target, upstream
    )
    assert_same(again, plain, 0.0)
    with torch.no_grad():
        assert torch.equal(run(logits, target), plain[0])


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("wrong", [-1, 77])
def test_labels_out_of_range_are_named(classes, wrong):
    logits, target, _ = batch(classes)
    target[2, 4, 6] = wrong
    with pytest.raises(ValueError, match=f"found {wrong}; allowed are 0 to {classes - 1}"):
        fused_pixel_loss(logits, target, [terms.CrossEntropy()])


@pytest.mark.parametrize("ignored", [0, 1, -100])
@pytest.mark.parametrize("classes", [2, 5])
def test_any_label_can_be_the_ignored_one(ignored, classes):
    logits, target, _ = batch(classes)
    target[target == 255] = ignored
    expected = F.cross_entropy(logits, target, ignore_index=ignored)
    loss, _ = fused_pixel_loss(logits, target, [terms.CrossEntropy()], ignore_index=ignored)
    assert_same([loss], [expected], 1e-12)


def test_parameters_are_checked():
    logits, target, _ = batch(5)
    with pytest.raises(ValueError, match="gamma must be 0 or more; got -1"):
        fused_pixel_loss(logits, target, [terms.NormalizedFocal(gamma=-1.0)])
    with pytest.raises(ValueError, match="min_prob must be below 1 / num_classes"):
        fused_pixel_loss(logits, target, [terms.NormalizedNegativeCrossEntropy(min_prob=0.3)])
    with pytest.raises(ValueError, match="labels must have shape"):
        fused_pixel_loss(logits, target[:, :2], [terms.CrossEntropy()])
