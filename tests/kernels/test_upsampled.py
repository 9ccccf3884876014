"""The loss over resized logits: values and gradients of F.interpolate and the functional loss."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from anl_seg import functional
from anl_seg.kernels import row_blocks, terms, upsampled
from anl_seg.kernels.upsampled import upsampled_pixel_loss

IGNORE = 255
ORACLES = {
    "ce": (terms.CrossEntropy(), functional.cross_entropy),
    "mae": (terms.MeanAbsoluteError(), functional.mean_absolute_error),
    "focal": (terms.Focal(gamma=2.0), functional.focal_loss),
    "nce": (terms.NormalizedCrossEntropy(), functional.normalized_cross_entropy),
    "nfl": (terms.NormalizedFocal(gamma=0.5), functional.normalized_focal_loss),
    "nnce": (terms.NormalizedNegativeCrossEntropy(), functional.normalized_negative_cross_entropy),
    "nnfl": (terms.NormalizedNegativeFocal(gamma=0.5), functional.normalized_negative_focal_loss),
    "rce": (terms.ReverseCrossEntropy(), functional.reverse_cross_entropy),
}
SIZES = [
    ((4, 4), (16, 16)),
    ((5, 3), (17, 23)),
    ((7, 9), (7, 9)),
    ((9, 7), (4, 5)),
    ((6, 5), (13, 2)),
    ((1, 1), (5, 3)),
    ((3, 4), (1, 1)),
    ((2, 6), (31, 6)),
    ((24, 20), (3, 3)),
]


@pytest.fixture(params=["matrix", "lerp"], autouse=True)
def path(request):
    """The matrix product of the CPU, and the path of other devices and reduced precision."""
    if request.param == "matrix":
        yield
        return
    plain = row_blocks.RowBlocks.__init__

    def by_lerp(self, source, size, align_corners, dtype, values):
        plain(self, source, size, align_corners, dtype, values)
        like = source.new_empty(0, dtype=dtype)
        self._rows = row_blocks._Lerp(1, source.shape[2], size[0], align_corners, like)
        self._columns = row_blocks._Lerp(3, source.shape[3], size[1], align_corners, like)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_blocks.RowBlocks, "__init__", by_lerp)
        yield


def batch(classes, small, large, *, n=3, scale=3.0, ignored=True, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    logits = (scale * torch.randn(n, classes, *small, generator=g, dtype=torch.float64)).to(dtype)
    target = torch.randint(0, max(classes, 2), (n, *large), generator=g)
    if ignored:
        target[torch.rand(target.shape, generator=g) < 0.2] = IGNORE
    weight = torch.rand(target.shape, generator=g, dtype=torch.float64).to(dtype)
    return logits.requires_grad_(), target, weight


def resized(logits, size, align_corners):
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=align_corners)


def plain_sum(logits, target, weight, names, weights, align_corners):
    large = resized(logits, target.shape[1:], align_corners)
    losses = [w * ORACLES[name][1](large, target) for name, w in zip(names, weights)]
    return (sum(losses) * (1.0 if weight is None else weight)).sum()


def chosen(names, weights):
    return terms.joined(*(terms.scaled([ORACLES[n][0]], w) for n, w in zip(names, weights)))


def compare(names, weights, logits, target, weight, align_corners, tol):
    want = plain_sum(logits, target, weight, names, weights, align_corners)
    (want_grad,) = torch.autograd.grad(want, logits)
    got = upsampled_pixel_loss(
        logits, target, weight, chosen(names, weights), align_corners=align_corners
    )
    (got_grad,) = torch.autograd.grad(got.total, logits)
    assert got.total.item() == pytest.approx(want.item(), rel=tol, abs=tol)
    assert got_grad.dtype == logits.dtype
    assert got_grad.shape == logits.shape
    gap = (got_grad - want_grad).abs().max().item()
    assert gap <= tol * max(want_grad.abs().max().item(), 1e-3)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "large"), SIZES, ids=str)
@pytest.mark.parametrize("values", [1, 200, 1 << 19])
def test_every_size_in_every_block_height(small, large, align_corners, values, monkeypatch):
    monkeypatch.setitem(upsampled.BLOCK_VALUES, "cpu", values)
    logits, target, weight = batch(5, small, large)
    for names in (["ce"], ["nce", "nnce"]):
        compare(names, [5.0, 2.0], logits, target, weight, align_corners, 1e-12)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("classes", [1, 2, 3, 21])
def test_every_term(name, classes):
    logits, target, weight = batch(classes, (5, 4), (18, 15))
    compare([name], [1.0], logits, target, weight, False, 1e-12)
    compare([name], [0.3], logits, target, None, True, 1e-12)


@pytest.mark.parametrize("scale", [0.1, 5.0, 40.0])
def test_sums_of_terms(scale):
    names = list(ORACLES)
    logits, target, weight = batch(7, (5, 4), (18, 15), scale=scale, ignored=False)
    compare(names, [0.5 + i for i in range(len(names))], logits, target, weight, False, 1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
def test_single_precision(align_corners):
    for names in (["ce"], ["nfl", "nnfl"], ["nce", "nnce"]):
        logits, target, weight = batch(19, (13, 11), (50, 43), dtype=torch.float32)
        compare(names, [1.0, 1.0], logits, target, weight, align_corners, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    logits, target, weight = batch(6, (5, 4), (18, 15), dtype=dtype)
    single = logits.detach().float().requires_grad_()
    names, weights = ["nce", "nnce"], [1.0, 1.0]
    want = plain_sum(single, target, weight.float(), names, weights, False)
    want.backward()
    got = upsampled_pixel_loss(logits, target, weight, chosen(names, weights))
    got.total.backward()
    assert got.total.dtype == torch.float32
    assert got.total.item() == pytest.approx(want.item(), rel=1e-5)
    assert logits.grad.dtype == dtype
    torch.testing.assert_close(logits.grad, single.grad.to(dtype), rtol=2e-2, atol=1e-5)


def test_autocast_changes_nothing():
    logits, target, weight = batch(6, (5, 4), (18, 15), dtype=torch.float32)
    plain = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),))
        (cast_grad,) = torch.autograd.grad(cast.total, logits)
    (grad,) = torch.autograd.grad(plain.total, logits)
    assert torch.equal(cast.total, plain.total)
    assert torch.equal(cast_grad, grad)


def test_reduced_precision_of_matrix_products_changes_nothing():
    logits, target, weight = batch(40, (20, 20), (80, 80), dtype=torch.float32)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        compare(["ce"], [1.0], logits, target, weight, False, 1e-5)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("values", [1, 1 << 19])
@pytest.mark.parametrize("classes", [1, 2, 9])
def test_mass_and_its_gradient(classes, values, monkeypatch):
    monkeypatch.setitem(upsampled.BLOCK_VALUES, "cpu", values)
    logits, target, weight = batch(classes, (5, 4), (18, 15), scale=6.0)
    low, full = 1e-3, max(classes, 2)
    pull = torch.linspace(-1.0, 2.0, full, dtype=torch.float64)
    large = resized(logits, (18, 15), False)
    if classes == 1:
        large = torch.cat([torch.zeros_like(large), large], 1)
    p = large.softmax(1).clamp(low, 1 - low) * (target != IGNORE).unsqueeze(1)
    want_mass = p.sum((0, 2, 3))
    ce = plain_sum(logits, target, weight, ["ce"], [1.0], False)
    (want,) = torch.autograd.grad((want_mass * pull).sum() + 3.0 * ce, logits, retain_graph=True)
    got = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),), mass_min=low)
    torch.testing.assert_close(got.mass, want_mass, rtol=1e-12, atol=1e-12)
    (grad,) = torch.autograd.grad(
        (got.mass * pull).sum() + 3.0 * got.total, logits, retain_graph=True
    )
    torch.testing.assert_close(grad, want, rtol=1e-12, atol=1e-12)
    (of_mass,) = torch.autograd.grad((got.mass * pull).sum(), logits)
    (want,) = torch.autograd.grad((want_mass * pull).sum(), logits)
    torch.testing.assert_close(of_mass, want, rtol=1e-12, atol=1e-12)


def test_correct_pixels():
    logits, target, _ = batch(4, (5, 4), (18, 15), scale=0.2)
    want = (resized(logits, (18, 15), False).argmax(1) == target).sum()
    got = upsampled_pixel_loss(logits, target, None, (terms.CrossEntropy(),)).correct
    assert want > 0
    assert got.dtype == torch.int64
    assert got == want


def test_a_tie_goes_to_the_first_class():
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = -1.0  # classes 1 and 2 tie everywhere
    for label, want in ((0, 0), (1, 64), (2, 0)):
        target = torch.full((1, 8, 8), label)
        assert upsampled_pixel_loss(logits, target, None, (terms.CrossEntropy(),)).correct == want


def test_ignored_pixels_count_nowhere_whatever_their_weight():
    logits, target, weight = batch(4, (5, 4), (18, 15))
    weight[target == IGNORE] = math.nan
    got = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),))
    clean = torch.where(target == IGNORE, 0.0, weight)
    want = plain_sum(logits, target, clean, ["ce"], [1.0], False)
    assert got.total.item() == pytest.approx(want.item(), rel=1e-12)
    (grad,) = torch.autograd.grad(got.total, logits)
    assert grad.isfinite().all()


def test_all_ignored_is_a_zero_with_a_gradient():
    logits, target, _ = batch(4, (5, 4), (18, 15))
    target.fill_(IGNORE)
    got = upsampled_pixel_loss(logits, target, None, (terms.CrossEntropy(),), mass_min=1e-7)
    assert got.total == 0
    assert got.correct == 0
    assert not got.mass.any()
    got.total.backward()
    assert not logits.grad.any()


def test_no_image():
    logits = torch.zeros(0, 3, 2, 2, requires_grad=True)
    target = torch.zeros(0, 8, 8, dtype=torch.int64)
    got = upsampled_pixel_loss(logits, target, None, (terms.CrossEntropy(),))
    got.total.backward()
    assert got.total == 0
    assert logits.grad.shape == logits.shape


def test_inputs_are_left_intact_and_any_strides_will_do():
    logits, target, weight = batch(4, (5, 4), (18, 15), dtype=torch.float32)
    copies = [t.detach().clone() for t in (logits, target, weight)]
    strided = logits.detach().to(memory_format=torch.channels_last).requires_grad_()
    pairs = []
    for values, labels in ((logits, target), (strided, target.transpose(1, 2).contiguous().mT)):
        total = upsampled_pixel_loss(values, labels, weight, (terms.CrossEntropy(),)).total
        (grad,) = torch.autograd.grad(total, values)
        pairs.append((total, grad))
    assert torch.equal(pairs[0][0], pairs[1][0])
    torch.testing.assert_close(pairs[0][1], pairs[1][1], rtol=0, atol=0)
    for now, before in zip((logits, target, weight), copies):
        assert torch.equal(now, before)


def test_backward_twice_and_without_a_gradient():
    logits, target, weight = batch(4, (5, 4), (18, 15))
    total = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),)).total
    first = torch.autograd.grad(total, logits, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(total, logits)[0])
    with torch.no_grad():
        quiet = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),)).total
    assert torch.equal(quiet, total)
    assert not quiet.requires_grad


def test_labels_of_any_integer_dtype():
    logits, target, weight = batch(4, (5, 4), (18, 15))
    want = upsampled_pixel_loss(logits, target, weight, (terms.CrossEntropy(),)).total
    for dtype in (torch.uint8, torch.int16, torch.int32):
        got = upsampled_pixel_loss(logits, target.to(dtype), weight, (terms.CrossEntropy(),)).total
        assert torch.equal(got, want)


def test_errors_in_words():
    logits, target, weight = batch(4, (5, 4), (18, 15))
    ce = (terms.CrossEntropy(),)
    wrong = target.clone()
    wrong[2, 17, 14] = 4
    with pytest.raises(ValueError, match=r"1 label\(s\) out of range: found 4; allowed are 0 to 3"):
        upsampled_pixel_loss(logits, wrong, weight, ce)
    with pytest.raises(ValueError, match=r"logits must have shape \(N, C, h, w\).*\(3, 4, 5\)"):
        upsampled_pixel_loss(logits[..., 0], target, weight, ce)
    with pytest.raises(ValueError, match=r"labels must have shape \(3, H, W\).*\(2, 18, 15\)"):
        upsampled_pixel_loss(logits, target[:2], weight, ce)
    with pytest.raises(ValueError, match=r"pixel_weight must have the shape of the labels"):
        upsampled_pixel_loss(logits, target, weight[:, 0], ce)
    with pytest.raises(TypeError, match="labels must be integers"):
        upsampled_pixel_loss(logits, weight, weight, ce)
    with pytest.raises(TypeError, match="floating-point"):
        upsampled_pixel_loss(logits.detach().long(), target, weight, ce)
    with pytest.raises(ValueError, match="at least one term"):
        upsampled_pixel_loss(logits, target, weight, ())
    with pytest.raises(ValueError, match=r"min_prob must be below 1 / num_classes"):
        upsampled_pixel_loss(
            logits, target, weight, (terms.NormalizedNegativeCrossEntropy(min_prob=0.5),)
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_cuda_as_on_the_cpu():
    logits, target, weight = batch(19, (33, 31), (130, 121), dtype=torch.float32)
    pair = (terms.NormalizedCrossEntropy(), terms.NormalizedNegativeCrossEntropy())
    want = upsampled_pixel_loss(logits, target, weight, pair, mass_min=1e-7)
    (want.total + want.mass[0]).backward()
    on_gpu = logits.detach().cuda().requires_grad_()
    target, weight = target.cuda(), weight.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        got = upsampled_pixel_loss(on_gpu, target, weight, pair, mass_min=1e-7)
        (got.total + got.mass[0]).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(got.total.cpu(), want.total, rtol=1e-5, atol=0)
    torch.testing.assert_close(got.mass.cpu(), want.mass, rtol=1e-5, atol=0)
    assert got.correct.cpu() == want.correct
    torch.testing.assert_close(on_gpu.grad.cpu(), logits.grad, rtol=1e-4, atol=1e-6)
