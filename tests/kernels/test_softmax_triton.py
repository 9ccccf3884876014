"""The Triton kernels against the functions they fuse: on a GPU, or else in triton's interpreter.

The interpreter must be chosen before triton is imported, and triton stays imported in a process. Without
a GPU the tests of this file are therefore run in one process of their own, by the last test.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path

import pytest
import torch

from anl_seg import functional as F
from anl_seg.functional import _labels
from anl_seg.functional.mass_balance import class_factors, with_mean_1
from anl_seg.kernels import cuda
from anl_seg.kernels import terms as t

ROOT = Path(__file__).parents[2]
GPU = torch.cuda.is_available()
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if GPU and not INTERPRETED else "cpu"

needs_kernels = pytest.mark.skipif(
    not (GPU or INTERPRETED), reason="run by test_in_the_interpreter, in a process of its own"
)
if GPU or INTERPRETED:
    pytest.importorskip("triton")

#: Terms, and the function of the same loss.
SINGLE = {
    "ce": ((t.CrossEntropy(),), F.cross_entropy),
    "focal": ((t.Focal(gamma=1.7),), partial(F.focal_loss, gamma=1.7)),
    "mae": ((t.MeanAbsoluteError(),), F.mean_absolute_error),
    "gce": ((t.GeneralizedCrossEntropy(q=0.7),), F.generalized_cross_entropy),
    "agce": (
        (t.AsymmetricGeneralizedCrossEntropy(a=0.6, q=0.6),),
        partial(F.asymmetric_generalized_cross_entropy, a=0.6, q=0.6),
    ),
    "aue": (
        (t.AsymmetricUnhinged(a=1.4, q=0.8),),
        partial(F.asymmetric_unhinged_loss, a=1.4, q=0.8),
    ),
    "ael": ((t.AsymmetricExponential(a=2.5),), partial(F.asymmetric_exponential_loss, a=2.5)),
    "rce": ((t.ReverseCrossEntropy(),), F.reverse_cross_entropy),
    "nce": ((t.NormalizedCrossEntropy(),), F.normalized_cross_entropy),
    "nfl": ((t.NormalizedFocal(gamma=0.5),), F.normalized_focal_loss),
    "nnce": ((t.NormalizedNegativeCrossEntropy(),), F.normalized_negative_cross_entropy),
    "nnfl": (
        (t.NormalizedNegativeFocal(gamma=2.0, min_prob=1e-4),),
        partial(F.normalized_negative_focal_loss, gamma=2.0, min_prob=1e-4),
    ),
}


def _nce_agce(logits, target, ignore_index=255):
    agce = F.asymmetric_generalized_cross_entropy(logits, target, ignore_index=ignore_index)
    return 0.1 * F.normalized_cross_entropy(logits, target, ignore_index=ignore_index) + 4.0 * agce


def _two_focal(logits, target, ignore_index=255):
    focal = partial(F.focal_loss, logits, target, ignore_index=ignore_index)
    return 0.3 * focal(gamma=0.5) + 0.7 * focal(gamma=2.0)


SUMS = {
    "anl_ce": (
        (t.NormalizedCrossEntropy(5.0), t.NormalizedNegativeCrossEntropy(5.0)),
        F.active_negative_cross_entropy,
    ),
    "anl_fl": (
        (t.NormalizedFocal(5.0), t.NormalizedNegativeFocal(5.0)),
        F.active_negative_focal_loss,
    ),
    "sce": ((t.CrossEntropy(0.1), t.ReverseCrossEntropy(1.0)), F.symmetric_cross_entropy),
    "nce_agce": (
        (t.NormalizedCrossEntropy(0.1), t.AsymmetricGeneralizedCrossEntropy(4.0)),
        _nce_agce,
    ),
    "one_kind_twice": ((t.Focal(0.3, gamma=0.5), t.Focal(0.7, gamma=2.0)), _two_focal),
}
LOSSES = {**SINGLE, **SUMS}

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of the interpreter


def over(**axes):
    """Parametrize by every combination of the axes' values on a GPU.

    The interpreter needs a second for each case: there every value of the longest axis comes once, with
    the values of the others in turn.
    """
    values = [list(axis) for axis in axes.values()]
    if DEVICE == "cuda":
        cases = list(product(*values))
    else:
        most = max(map(len, values))
        cases = list(zip(*(islice(cycle(axis), most) for axis in values)))
    return pytest.mark.parametrize(",".join(axes), cases)


def sample(shape, scale=3.0, dtype=torch.float64, ignored=True, seed=0):
    """Logits, labels and upstream gradient."""
    gen = torch.Generator().manual_seed(seed)
    logits = (torch.randn(shape, generator=gen, dtype=torch.float64) * scale).to(dtype)
    pixels = (shape[0], *shape[2:])
    target = torch.randint(0, max(shape[1], 2), pixels, generator=gen)
    if ignored:
        target[torch.rand(pixels, generator=gen) < 0.25] = 255
    upstream = torch.randn(pixels, generator=gen, dtype=torch.float64)
    return logits.to(DEVICE), target.to(DEVICE), upstream.to(DEVICE)


def fused(terms, logits, target, upstream, **kwargs):
    """Loss and gradient of the kernels."""
    leaf = logits.detach().requires_grad_()
    loss, _ = cuda.fused_pixel_loss(leaf, target, terms, **kwargs)
    loss.backward(upstream.to(loss.dtype))
    return loss.detach(), leaf.grad


def direct(function, logits, target, upstream):
    """The same of the function, in float64."""
    leaf = logits.detach().double().requires_grad_()
    loss = function(leaf, target)
    loss.backward(upstream)
    return loss.detach(), leaf.grad


def assert_same(name, logits, target, upstream, rtol, atol=None):
    terms, function = LOSSES[name]
    loss, grad = fused(terms, logits, target, upstream)
    expected_loss, expected_grad = direct(function, logits, target, upstream)
    assert grad.dtype == logits.dtype
    assert loss.shape == target.shape
    assert (loss[target == 255] == 0).all()
    for got, expected in ((loss, expected_loss), (grad, expected_grad)):
        largest = expected.abs().max().item()
        margin = rtol * max(largest, 1e-3) if atol is None else atol
        torch.testing.assert_close(got.double(), expected, rtol=rtol, atol=margin)


@needs_kernels
@over(name=LOSSES, classes=[1, 2, 3, 19, 150])
def test_float64(name, classes):
    assert_same(name, *sample((2, classes, 3, 7)), rtol=1e-12, atol=1e-12)


@needs_kernels
@pytest.mark.parametrize("name", LOSSES)
def test_classes_in_several_tiles(name):
    """A loop over tiles of classes, with numbers saved for the backward pass."""
    assert_same(name, *sample((1, 300, 3, 3)), rtol=1e-12, atol=1e-12)


@needs_kernels
@over(name=LOSSES, scale=[1.0, 10.0], classes=[1, 2, 19])
def test_float32(name, scale, classes):
    assert_same(name, *sample((2, classes, 3, 5), scale, torch.float32), rtol=1e-5)


@needs_kernels
@over(name=["ce", "nnfl", "anl_ce", "sce"], dtype=[torch.float16, torch.bfloat16])
def test_half_precision(name, dtype):
    """Computed in float32; only the gradient is rounded."""
    logits, target, upstream = sample((2, 19, 3, 5), dtype=dtype)
    terms, function = LOSSES[name]
    loss, grad = fused(terms, logits, target, upstream)
    expected_loss, expected_grad = direct(function, logits, target, upstream)
    assert loss.dtype == torch.float32
    assert grad.dtype == dtype
    torch.testing.assert_close(loss.double(), expected_loss, rtol=1e-5, atol=1e-5)
    step = torch.finfo(dtype).eps
    torch.testing.assert_close(grad.double(), expected_grad, rtol=step, atol=1e-6)


@needs_kernels
@over(name=["ce", "nce", "gce", "rce", "anl_ce", "anl_fl"], classes=[2, 19, 300])
def test_extreme_logits(name, classes):
    """1e4: all probabilities are 0 or 1, and clamped ones pass no gradient."""
    assert_same(name, *sample((2, classes, 2, 3), 1e4, torch.float64), rtol=1e-11, atol=1e-11)
    logits, target, upstream = sample((2, classes, 2, 3), 1e4, torch.float32)
    loss, grad = fused(LOSSES[name][0], logits, target, upstream)
    assert loss.isfinite().all()
    assert grad.isfinite().all()


@needs_kernels
def test_small_losses_keep_their_digits_in_float32():
    logits = torch.tensor([[12.0, 0.0, 0.0], [16.0, 0.0, -1.0]], device=DEVICE)
    target = torch.zeros(2, dtype=torch.long, device=DEVICE)
    loss, _ = cuda.fused_pixel_loss(logits, target, (t.CrossEntropy(),))
    others = torch.tensor([2 * math.exp(-12), math.exp(-16) + math.exp(-17)])
    torch.testing.assert_close(loss.cpu(), others.log1p(), rtol=1e-5, atol=0.0)


@needs_kernels
@over(layout=["contiguous", "channels_last", "points", "rows", "cropped"], classes=[1, 3, 300])
def test_layouts(layout, classes):
    """Value, gradient and its memory format, for every layout heads produce."""
    shape = {"points": (3, classes, 11), "rows": (13, classes)}.get(layout, (2, classes, 3, 5))
    logits, target, upstream = sample(shape)
    if layout == "channels_last":
        logits = logits.contiguous(memory_format=torch.channels_last)
    elif layout == "cropped":
        padded = torch.nn.functional.pad(logits, (1, 2, 1, 1))
        logits, target = (
            padded[:, :, 1:-1, 1:-2],
            target.transpose(1, 2).contiguous().transpose(1, 2),
        )
    assert_same("anl_ce", logits, target, upstream, rtol=1e-12, atol=1e-12)
    if layout == "channels_last":
        _, grad = fused(SUMS["anl_ce"][0], logits, target, upstream)
        assert grad.is_contiguous(memory_format=torch.channels_last)


@needs_kernels
def test_gradient_of_a_mean_and_of_two_losses_of_one_tensor():
    """mean() hands an expanded scalar to the backward pass; the inputs stay as they were."""
    logits, target, _ = sample((2, 5, 3, 7))
    before = logits.clone(), target.clone()
    leaf = logits.requires_grad_()
    one, _ = cuda.fused_pixel_loss(leaf, target, SUMS["anl_ce"][0])
    two, _ = cuda.fused_pixel_loss(leaf, target, SUMS["sce"][0])
    (one.mean() + two.sum()).backward()
    got, leaf.grad = leaf.grad, None
    want = F.active_negative_cross_entropy(leaf, target).mean()
    (want + F.symmetric_cross_entropy(leaf, target).sum()).backward()
    torch.testing.assert_close(got, leaf.grad, rtol=1e-12, atol=1e-12)
    assert torch.equal(leaf.detach(), before[0])
    assert torch.equal(target, before[1])


@needs_kernels
@over(classes=[1, 19, 300], valid=[0, 1])
def test_no_or_one_valid_pixel(classes, valid):
    logits, target, upstream = sample((1, classes, 3, 5))
    target = torch.full_like(target, 255)
    target[0, 1, :valid] = 1
    assert_same("anl_fl", logits, target, upstream, rtol=1e-12, atol=1e-12)


@needs_kernels
def test_nothing_leaks_from_ignored_pixels():
    logits, target, upstream = sample((1, 3, 2, 2), ignored=False)
    target[0, 0, 0] = 255
    logits[0, :, 0, 0] = math.nan
    loss, grad = fused(SUMS["anl_ce"][0], logits, target, upstream)
    assert loss[0, 0, 0] == 0
    assert (grad[0, :, 0, 0] == 0).all()
    assert (grad[0, :, 1, 1] != 0).any()


@needs_kernels
@over(scale=[1.0, 20.0], shape=[(2, 1, 3, 5), (2, 19, 3, 5), (1, 300, 2, 3), (7, 3)])
def test_mass(shape, scale):
    """The clamped sums of the probabilities, and their gradient alone and beside the loss's."""
    logits, target, upstream = sample(shape, scale)
    classes, min_prob = max(shape[1], 2), 1e-3
    weights = torch.linspace(-1.0, 2.0, classes, dtype=torch.float64, device=DEVICE)

    leaf = logits.clone().requires_grad_()
    full = torch.cat([torch.zeros_like(leaf), leaf], 1) if shape[1] == 1 else leaf
    p = full.softmax(1).clamp(min_prob, 1.0 - min_prob) * (target != 255).unsqueeze(1)
    expected = p.transpose(0, 1).flatten(1).sum(1)
    (expected * weights).sum().backward()
    of_mass, leaf.grad = leaf.grad, None

    _, mass = cuda.fused_pixel_loss(leaf, target, (t.CrossEntropy(),), mass_min=min_prob)
    torch.testing.assert_close(mass, expected.detach(), rtol=1e-12, atol=1e-12)
    (mass * weights).sum().backward()
    torch.testing.assert_close(leaf.grad, of_mass, rtol=1e-11, atol=1e-12)

    leaf.grad = None
    loss, mass = cuda.fused_pixel_loss(leaf, target, (t.CrossEntropy(),), mass_min=min_prob)
    ((loss * upstream).sum() + (mass * weights).sum()).backward()
    both = of_mass + direct(F.cross_entropy, logits, target, upstream)[1]
    torch.testing.assert_close(leaf.grad, both, rtol=1e-11, atol=1e-12)


@needs_kernels
@pytest.mark.parametrize("wrong", [19, -3, 2**40])
def test_wrong_labels_are_named_and_never_indexed(wrong):
    logits, target, _ = sample((1, 19, 2, 3))
    target[0, 1, 1] = wrong
    message = f"1 label.*found {wrong}; allowed are 0 to 18"
    if DEVICE == "cpu":
        with pytest.raises(ValueError, match=message):
            cuda.fused_pixel_loss(logits, target, (t.CrossEntropy(),))
        return
    _labels.deferred_check._pending.clear()
    loss, _ = cuda.fused_pixel_loss(logits, target, (t.CrossEntropy(),))
    torch.cuda.synchronize()
    assert loss[0, 1, 1] == 0
    with pytest.raises(ValueError, match=message):
        cuda.fused_pixel_loss(logits, torch.zeros_like(target), (t.CrossEntropy(),))


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_labels_of_other_integer_types(dtype):
    logits, target, _ = sample((1, 3, 2, 5))
    got, _ = cuda.fused_pixel_loss(logits, target.to(dtype), (t.CrossEntropy(),))
    torch.testing.assert_close(got, F.cross_entropy(logits, target), rtol=1e-12, atol=1e-12)


@needs_kernels
def test_empty_batch():
    logits = torch.zeros(0, 3, 2, 2, device=DEVICE, requires_grad=True)
    target = torch.zeros(0, 2, 2, dtype=torch.long, device=DEVICE)
    loss, mass = cuda.fused_pixel_loss(logits, target, (t.CrossEntropy(),), mass_min=1e-7)
    loss.sum().backward()
    assert loss.shape == (0, 2, 2)
    assert mass.tolist() == [0.0, 0.0, 0.0]


@needs_kernels
@pytest.mark.parametrize("shape", [(2, 3, 0, 4), (2, 1, 0), (0, 300, 2)], ids=str)
def test_no_pixel(shape):
    logits = torch.zeros(shape, device=DEVICE, requires_grad=True)
    target = torch.zeros(shape[0], *shape[2:], dtype=torch.long, device=DEVICE)
    loss, mass = cuda.fused_pixel_loss(logits, target, SUMS["anl_ce"][0], mass_min=1e-7)
    (loss.sum() + mass.sum()).backward()
    assert loss.shape == target.shape
    assert logits.grad.shape == logits.shape
    weights = cuda.class_weights(logits, target, 255, lambda mass: class_factors(mass, 1, 0.5))
    assert weights.shape == target.shape


INF = math.inf
INFINITE = {
    1: [(-INF,), (INF,)],
    2: [(-INF, 1), (1, -INF), (INF, 0), (0, INF), (INF, -INF), (INF, INF), (-INF, -INF)],
    3: [(-INF, 1, 0), (1, -INF, 0), (-INF, -INF, 1), (0, INF, 1), (INF, INF, 0), (-INF,) * 3],
}


@needs_kernels
@pytest.mark.parametrize("classes", [1, 2, 3, 300])
def test_infinite_logits(classes):
    """The limit, as of the functional form, with the classes in one tile and in several."""
    rows = torch.tensor(INFINITE[min(classes, 3)], dtype=torch.float64, device=DEVICE).T
    logits = rows.unsqueeze(0)
    if classes == 300:
        logits = torch.full((1, 300, rows.shape[1]), -INF, dtype=torch.float64, device=DEVICE)
        logits[0, [0, 70, 299]] = rows
    logits = logits.repeat(1, 1, 2)
    target = torch.zeros(1, logits.shape[2], dtype=torch.long, device=DEVICE)
    target[:, rows.shape[1] :] = 1
    ones = torch.ones_like(logits[:, 0])
    unbounded = {"ce", "focal"}
    for names in (unbounded, SINGLE.keys() - unbounded):
        parts = [SINGLE[name] for name in sorted(names)]

        def together(z, y, parts=parts):
            return sum(function(z, y) for _, function in parts)

        found = fused(t.joined(*(terms for terms, _ in parts)), logits, target, ones)
        expected = direct(together, logits, target, ones)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert not found[1].isnan().any()
    weights = cuda.class_weights(logits, target, 255, lambda mass: class_factors(mass, 1, 0.5))
    assert weights.isfinite().all()


@needs_kernels
def test_second_derivatives():
    """By the functional form, of each launch its own terms."""
    terms, function = LOSSES["one_kind_twice"]
    logits, target, _ = sample((2, 3, 2))

    def penalty(f):
        leaf = logits.clone().requires_grad_()
        (grad,) = torch.autograd.grad(f(leaf).square().sum(), leaf, create_graph=True)
        return torch.autograd.grad(grad.square().sum(), leaf)[0]

    found = penalty(lambda z: cuda.fused_pixel_loss(z, target, terms)[0])
    torch.testing.assert_close(found, penalty(lambda z: function(z, target)))
    assert found.abs().max() > 1e-3


@needs_kernels
def test_defaults_of_dtype_and_device_change_nothing():
    cuda._on_device.cache_clear()
    terms, _ = SUMS["nce_agce"]
    logits, target, upstream = sample((2, 5, 3), dtype=torch.float32)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("meta"):
            found = fused(terms, logits, target, upstream.float(), mass_min=0.05)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(
        map(torch.equal, found, fused(terms, logits, target, upstream.float(), mass_min=0.05))
    )


def test_unknown_terms_are_refused():
    class Other(t.Term):
        """A term without a kernel."""

    with pytest.raises(TypeError, match="no kernel knows the term Other; known are CrossEntropy"):
        cuda.fused_pixel_loss(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), (Other(),))


def test_equal_kinds_join_and_different_ones_do_not():
    terms = (t.CrossEntropy(0.5), t.Focal(gamma=1.0), t.CrossEntropy(0.25), t.Focal(gamma=2.0))
    (first, weights), (second, others) = cuda._launches(terms)
    ce, focal = slice(0, 2), slice(6, 8)  # flag and constant a of the first two kinds
    assert (first[ce][0], *first[focal]) == (1.0, 1.0, 1.0)
    assert (second[ce][0], *second[focal]) == (0.0, 1.0, 2.0)
    assert weights[:2] == (0.75, 1.0)
    assert others[:2] == (0.0, 1.0)


def test_a_schedule_of_weights_compiles_nothing_anew():
    launches = [
        cuda._launches((t.CrossEntropy(share), t.NormalizedCrossEntropy(1.0 - share)))
        for share in (1.0, 0.3, 0.0)
    ]
    assert len({constants for ((constants, _),) in launches}) == 1
    assert len({weights for ((_, weights),) in launches}) == 3


@needs_kernels
@over(shape=[(9, 13), (5,), ()], classes=[1, 2, 7, 300])
def test_mass_balance(shape, classes):
    """Its weights, up to their mean."""
    logits, target, _ = sample((3, classes, *shape))
    target.view(-1)[0] = 0
    count = (target != 255).sum()
    for dtype, last in ((torch.float64, False), (torch.float16, False), (torch.float32, True)):
        z = logits.to(dtype)
        if last and z.dim() == 4:
            z = z.contiguous(memory_format=torch.channels_last)
        found = cuda.class_weights(z, target, 255, lambda mass: class_factors(mass, count, 0.5))
        assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        expected = F.mass_balance(z.to(found.dtype), target, 0.5)
        torch.testing.assert_close(with_mean_1(found, count), expected)


def test_without_triton_the_error_says_so(monkeypatch):
    monkeypatch.setattr(cuda, "available", lambda: False)
    with pytest.raises(RuntimeError, match="need triton"):
        cuda.fused_pixel_loss(
            torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), (t.CrossEntropy(),)
        )


@pytest.mark.process
def test_importing_the_module_leaves_triton_alone():
    kernels = "anl_seg.kernels.softmax_triton"
    code = f"import sys, anl_seg.kernels.cuda; assert {kernels!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.interpreter
@pytest.mark.skipif(GPU or INTERPRETED, reason="the tests above run in this process")
def test_in_the_interpreter():
    from importlib.util import find_spec

    if find_spec("triton") is None:
        pytest.skip("triton is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    env = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
