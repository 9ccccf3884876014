"""What losses, diagnostics and hooks must not take from autocast, default dtype, device or module."""

from __future__ import annotations

import copy
import itertools
import math
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from anl_seg import functional
from anl_seg.engine.hooks import StopOnDivergenceHook, fused_upsample_hook
from anl_seg.evaluation.loss_diagnostics import loss_diagnostics
from anl_seg.functional._class_sums import class_sums
from anl_seg.functional.t_loss import t_loss
from anl_seg.kernels import fused_pixel_loss
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.kernels.terms import CrossEntropy
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance
from anl_seg.models import losses
from anl_seg.models.losses.region_loss import RegionLoss
from tests.models.surroundings import NoFloat64, autocast, build, registered, without_c
from tests.surroundings import default_dtype

HALF = [torch.float16, torch.bfloat16]


def batch(classes=20, size=64, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, classes, size, size, generator=generator)
    labels = torch.randint(0, classes, (2, size, size), generator=generator)
    labels[0, :3] = 255
    return logits.to(dtype), labels


def with_gradient(loss, logits, labels):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, labels)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value.detach(), gradient


def assert_near(found, expected, rtol=1e-4):
    """Value and gradient; the gradient to ``rtol`` of its largest entry."""
    torch.testing.assert_close(found[0].double(), expected[0].double(), rtol=1e-5, atol=1e-6)
    largest = float(expected[1].abs().max())
    torch.testing.assert_close(
        found[1].double(), expected[1].double(), rtol=rtol, atol=rtol * largest
    )


@pytest.mark.parametrize(
    ("form", "kind"),
    [*itertools.product(("reference", "channels last"), HALF), ("compiled", torch.float16)],
)
def test_the_functional_form_of_anl_ce_under_autocast_is_that_of_float64(form, kind):
    logits, labels = batch()
    expected = with_gradient(losses.ANLCELoss(kernels="reference"), logits.double(), labels)
    loss = losses.ANLCELoss(kernels="reference" if form == "reference" else "auto")
    if form == "channels last":
        logits = logits.contiguous(memory_format=torch.channels_last)
    if form == "compiled":
        torch._dynamo.reset()
        loss = torch.compile(loss, backend="eager", fullgraph=True)
        with autocast(kind):
            loss(*batch(size=16))  # the next size makes all sizes symbols
    with autocast(kind):
        assert_near(with_gradient(loss, logits, labels), expected)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_the_matrix_precision_of_the_process_changes_nothing(precision):
    logits, labels = batch()
    expected = with_gradient(losses.ANLCELoss(kernels="reference"), logits.double(), labels)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        assert_near(with_gradient(losses.ANLCELoss(kernels="reference"), logits, labels), expected)
    finally:
        torch.set_float32_matmul_precision(before)


class ByMatrix(losses.PixelLoss):
    """A user's loss with a matrix product, and with what autocast would have raised to float32."""

    def pixel_loss(self, logits, target, ignore_index):
        mixed = torch.einsum("nchw,cd->ndhw", logits, torch.eye(logits.shape[1]).to(logits))
        return F.cross_entropy(mixed, target, ignore_index=ignore_index, reduction="none")

    def batch_loss(self, logits, target, ignore_index, mass=None):
        return (logits.flatten(2) @ logits.flatten(2).mT).square().mean() / 1e6


class ByRegion(RegionLoss, ByMatrix):
    def pixel_loss(self, logits, target, ignore_index, weight=None):
        return ByMatrix.pixel_loss(self, logits, target, ignore_index)


@pytest.mark.parametrize("cls", [ByMatrix, ByRegion])
@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("mass_balance", [0.0, 1.0])
def test_the_loss_of_a_user_is_computed_in_float32_too(cls, kind, mass_balance):
    logits, labels = batch(5, 32, kind)
    loss = cls(mass_balance=mass_balance)
    expected = with_gradient(loss, logits.double(), labels)
    for inside in (kind, None):
        with autocast(inside):
            found = with_gradient(loss, logits, labels)
        assert found[0].dtype == torch.float32
        assert_near(found, expected, rtol=1e-2)


@pytest.mark.parametrize("kind", HALF)
def test_public_functions_are_the_same_within_autocast(kind):
    logits, labels = batch(2, 16)
    matrix = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
    form = functional.class_forms.cross_entropy

    def by_matrix(z, y, *, ignore_index):
        return functional.cross_entropy(
            (z.movedim(1, -1) @ matrix).movedim(-1, 1), y, ignore_index=ignore_index
        )

    further = {
        "active_negative_loss": {"active": by_matrix, "negative": by_matrix},
        "active_passive_loss": {"active": by_matrix, "passive": by_matrix},
        "backward_correction": {"inverse": matrix.inverse()},
        "forward_correction": {"matrix": matrix},
        "normalized_loss": {"base": lambda log_p: form(log_p) + (log_p.mT @ log_p).mean()},
        "normalized_negative_loss": {"base": form},
        "clip_logits": {"max_norm": 1.0},
    }
    for name in functional.__all__:
        if name == "invert_transition_matrix":
            continue
        arguments = (logits,) if name == "clip_logits" else (logits, labels)
        params = further.get(name, {})
        outside, inside = (torch.Generator().manual_seed(0) for _ in range(2))
        drawn = name in ("negative_learning", "peer_loss")
        expected = getattr(functional, name)(
            *arguments, **params, **({"generator": outside} if drawn else {})
        )
        with autocast(kind):
            found = getattr(functional, name)(
                *arguments, **params, **({"generator": inside} if drawn else {})
            )
        assert torch.equal(found, expected), name


@pytest.mark.parametrize(
    ("cls", "params"), registered(), ids=[f"{c.__name__}{len(p)}" for c, p in registered()]
)
def test_no_loss_needs_float64(cls, params):
    logits, labels = batch(2, 8)
    logits = logits / 3
    if params.get("views") == 2:
        labels = labels[1:].repeat(2, 1, 1)
    torch.manual_seed(0)
    expected = with_gradient(build(cls, 2, kernels="reference", **params), logits.double(), labels)
    prior = {"class_prior": [0.3, 0.7]} if "entropy_weight" in params else {}
    torch.manual_seed(0)
    with NoFloat64():
        loss = build(cls, 2, kernels="reference", **params)
        found = with_gradient(loss, logits, labels)
        # What comes from a list is float32 too.
        build(cls, 2, kernels="reference", class_weight=[0.1, 0.7], **params, **prior)(
            logits, labels
        )
    assert_near(found, expected)
    assert not [tensor for tensor in loss.buffers() if tensor.dtype == torch.float64]


def test_diagnostics_adaptive_numbers_and_fused_resizing_need_no_float64():
    logits, labels = batch(3, 16)
    small = logits[..., ::4, ::4].contiguous()
    expected = loss_diagnostics(losses.CELoss(kernels="reference"), logits, labels)
    with NoFloat64():
        found = loss_diagnostics(losses.CELoss(kernels="reference"), logits, labels)
        adaptive = build(losses.AdaptiveLoss, 3)
        adaptive.use_raw()
        weight = upsampled_mass_balance(small, labels)
        result = upsampled_pixel_loss(small, labels, weight, (CrossEntropy(),), mass_min=1e-7)
        fused_upsample_hook._accuracy(small, labels, result.correct, 255)
    assert found == expected
    assert adaptive.values()["q"] == pytest.approx(0.4, rel=1e-6)
    adaptive.use_raw(torch.tensor([math.inf]))
    assert adaptive.values()["q"] == 1.0
    large = F.interpolate(small.double(), (16, 16), mode="bilinear")
    torch.testing.assert_close(
        weight.double(), functional.mass_balance(large, labels), rtol=1e-5, atol=1e-6
    )
    total = (weight.double() * functional.cross_entropy(large, labels)).sum()
    torch.testing.assert_close(result.total.double(), total, rtol=1e-5, atol=1e-5)


def test_diagnostics_of_half_logits_have_the_gradient_of_float32():
    logits, labels = batch(3, 256, torch.float16)
    found = loss_diagnostics(losses.CELoss(), logits, labels)
    expected = loss_diagnostics(losses.CELoss(), logits.float(), labels)
    assert found == expected


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16, torch.float16])
def test_the_default_dtype_changes_no_number_of_a_loss(default):
    logits, labels = batch(3, 16)
    weight = torch.randint(0, 1000, labels.shape)

    def values():
        torch.manual_seed(0)
        return [
            losses.PeerLoss(pairing="expected")(logits, labels),
            losses.MulticlassTLoss(nu=1.3)(logits, labels),
            losses.CELoss(kernels="reference")(logits, labels, weight),
            losses.CELoss()(logits, labels, avg_factor=7.7),
        ]

    expected = values()
    with default_dtype(default):
        found = values()
        assert losses.TLoss().nu.dtype == torch.float32
    for ours, theirs in zip(found, expected):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs)


def test_a_denominator_in_float64_leaves_the_loss_in_float32():
    logits, labels = batch(3, 8)
    factor = torch.tensor(7.0, dtype=torch.float64)
    value = losses.CELoss()(logits, labels, avg_factor=factor)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, losses.CELoss()(logits, labels, avg_factor=7))


def test_class_weights_stay_exact_in_half_models_and_after_inference():
    weights = [0.1, 0.7, 1 / 3]
    logits, labels = batch(3, 8)
    model = nn.ModuleList([losses.CELoss(class_weight=weights, kernels="reference")])
    with torch.inference_mode():
        model[0](logits, labels)  # what it makes here must not be in the way of training
    # ... nor what is wrapped or traced, in a copy.
    other = losses.CELoss(class_weight=weights, kernels="reference")
    torch.func.grad(other)(logits, labels)
    expected = with_gradient(copy.deepcopy(other), logits, labels)
    assert torch.equal(with_gradient(model[0], logits, labels)[1], expected[1])
    model.half()
    assert torch.equal(with_gradient(model[0], logits, labels)[1], expected[1])
    exact = torch.tensor([*weights, 0.0], dtype=torch.float64)[labels.clamp(max=3)]
    pixels = F.cross_entropy(logits.double(), labels, ignore_index=255, reduction="none")
    torch.testing.assert_close(
        model[0](logits.double(), labels), (exact * pixels).sum() / exact.sum(), rtol=1e-13, atol=0
    )
    assert model[0].class_weight[labels[1]].shape == labels[1].shape


def test_the_weights_of_classes_are_added_to_float32_at_512_x_512():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 512 * 512 + 7), generator=generator)
    weight = 0.1 + torch.rand(labels.shape, generator=generator)
    expected = [weight.double()[labels == k].sum() for k in range(3)]
    found = class_sums(weight, labels, 3).sum(dim=0)
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=3e-7, atol=0)
    assert class_sums(weight[:, :0], labels[:, :0], 3).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("nu", [-30.0, -3.0, 1.0, 6.0, 18.0])
@pytest.mark.parametrize("size", [1, 3, 40, 5000])
def test_t_loss_in_float32_is_that_of_float64_for_any_nu(nu, size):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 2, size, generator=generator)
    labels = torch.randint(0, 2, (2, size), generator=generator)
    outcomes = []
    for dtype in (torch.float32, torch.float64):
        parameter = torch.tensor(nu, dtype=dtype, requires_grad=True)
        z = logits.to(dtype).requires_grad_()
        loss = t_loss(z, labels, nu=parameter)
        outcomes.append((loss.detach(), *torch.autograd.grad(loss.mean(), (z, parameter))))
    for found, expected in zip(*outcomes):
        largest = float(expected.abs().max())
        torch.testing.assert_close(found.double(), expected, rtol=2e-4, atol=2e-5 * largest + 2e-7)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 8, 8, 3), r"looks like a color mask \(RGB\).*LoadAnnotations"),
        ((2, 8, 8, 4), "looks like a color mask"),
        ((2, 3, 8, 8), "looks like a color mask"),
        ((2, 1, 8, 8), r"\.squeeze\(1\)"),
        ((2, 8, 8, 1), r"\.squeeze\(-1\)"),
        ((2, 5, 8, 8), r"one-hot by class.*\.argmax\(1\)"),
        ((2, 8, 8, 5), r"one-hot by class.*\.argmax\(-1\)"),
        ((8, 8, 3), "looks like a color mask"),
        ((2, 9, 8), r"got \(2, 9, 8\)\.$"),
    ],
)
def test_labels_of_a_wrong_shape_are_told_what_they_look_like(shape, words):
    labels = torch.randint(0, 2, shape)
    for loss in (
        losses.ANLCELoss(),
        losses.CELoss(kernels="reference"),
        losses.NoiseRobustDiceLoss(),
        losses.GJSLoss(views=2),
    ):
        with pytest.raises(ValueError, match="labels must have shape") as error:
            loss(torch.zeros(2, 5, 8, 8), labels)
        assert error.match(words)


def test_three_channels_are_colors_or_classes_by_their_values():
    logits = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match="color mask"):
        losses.CELoss()(logits, torch.full((1, 3, 4, 4), 128))
    with pytest.raises(ValueError, match=r"\.argmax\(1\)"):
        losses.CELoss()(logits, torch.ones(1, 3, 4, 4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"batch is missing: \.unsqueeze\(0\)"):
        losses.CELoss()(logits, torch.zeros(4, 4, dtype=torch.long))
    # What mmseg makes of an RGB mask: logits resized to its last two sizes.
    with pytest.raises(ValueError, match="color mask"):
        losses.CELoss()(torch.zeros(2, 4, 16, 3), torch.zeros(2, 12, 16, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"labels must have shape \(1, H, W\).*color mask"):
        upsampled_pixel_loss(logits, torch.zeros(1, 8, 8, 3).long(), None, (CrossEntropy(),))


@pytest.mark.parametrize("loss", [losses.ANLCELoss(), losses.NoiseRobustDiceLoss()])
def test_labels_that_are_no_tensor_no_integers_or_elsewhere_are_told_in_words(loss):
    logits, labels = torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    with pytest.raises(TypeError, match=r"labels must be a tensor.*got list.*torch\.stack"):
        loss(logits, [labels[0]])
    with pytest.raises(TypeError, match=r"got ndarray.*torch\.as_tensor"):
        loss(logits, labels.numpy())
    with pytest.raises(TypeError, match=r"must be integers; got torch\.float32.*\.long\(\)"):
        loss(logits, labels.float())
    with pytest.raises(ValueError, match="on the device of the logits, cpu; got meta"):
        loss(logits, labels.to("meta"))
    with pytest.raises(TypeError, match=r"logits must be a tensor.*got list"):
        loss([logits], labels)


def test_an_ignore_index_outside_of_the_dtype_of_the_labels_ignores_nothing():
    logits = torch.randn(1, 200, 4)
    labels = torch.tensor([[156, 1, 2, 3]], dtype=torch.uint8)
    found = losses.MAELoss(reduction="none")(logits, labels, ignore_index=-100)
    torch.testing.assert_close(found, losses.MAELoss(reduction="none")(logits, labels.long()))


@pytest.mark.parametrize("kernels", ["auto", "without C", "reference"])
@pytest.mark.parametrize("cls", [losses.CELoss, losses.ANLCELoss, losses.NoiseRobustDiceLoss])
def test_an_ignore_index_of_none_ignores_nothing_in_any_form(cls, kernels):
    logits, labels = batch(classes=3, size=6)
    labels = labels % 3
    form = kernels if kernels == "reference" else "auto"
    with without_c(kernels == "without C"):
        loss = cls(kernels=form)
        torch.testing.assert_close(
            loss(logits, labels, ignore_index=None), loss(logits, labels, ignore_index=-100)
        )
        labels[0, 0, 0] = 255
        with pytest.raises(ValueError, match=r"found 255.*ignore_index=None"):
            loss(logits, labels, ignore_index=None)
        with pytest.raises(TypeError, match=r"ignore_index must be an integer.*got '255'"):
            loss(logits, labels, ignore_index="255")
        with pytest.raises(ValueError, match="64 bits; got 18446744073709551617"):
            loss(logits, labels, ignore_index=2**64 + 1)  # C would take it for 1


def test_kernels_and_functions_take_none_for_nothing_ignored():
    logits, labels = batch(classes=3, size=6)
    labels, terms = labels % 3, (CrossEntropy(),)
    for call in (
        lambda **k: fused_pixel_loss(logits, labels, terms, **k)[0],
        lambda **k: upsampled_pixel_loss(logits[..., :3, :3], labels, None, terms, **k).total,
        lambda **k: upsampled_mass_balance(logits[..., :3, :3], labels, **k),
        lambda **k: mass_balance(logits, labels, **k),
        lambda **k: functional.mass_balance(logits, labels, **k),
        lambda **k: functional.cross_entropy(logits, labels, **k),
    ):
        torch.testing.assert_close(call(ignore_index=None), call(ignore_index=-100))
        with pytest.raises(TypeError, match="ignore_index must be an integer"):
            call(ignore_index=1.5)


def test_mass_balance_is_constant_in_forward_mode_too():
    """``torch.no_grad`` stops no forward-mode derivative, of which ``torch.func.hessian`` is made."""
    logits, labels = batch(classes=3, size=2)
    logits, labels = logits.double(), labels.clamp(max=2)
    _, tangent = torch.func.jvp(lambda z: functional.mass_balance(z, labels), (logits,), (logits,))
    assert (tangent == 0).all()
    loss = losses.ANLCELoss()
    expected = torch.autograd.functional.hessian(lambda z: loss(z, labels), logits)
    torch.testing.assert_close(torch.func.hessian(lambda z: loss(z, labels))(logits), expected)


def test_two_views_without_values_are_not_compared():
    loss = losses.GJSLoss(views=2)
    logits = torch.zeros(4, 3, 5, device="meta")
    assert loss(logits, torch.zeros(4, 5, device="meta", dtype=torch.long)).is_meta
    labels = torch.ones(2, 4, 5, dtype=torch.long)
    assert torch.func.vmap(loss)(torch.zeros(2, 4, 3, 5), labels).shape == (2,)


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (losses.CELoss, {"logit_clip": 2.0, "mass_balance": 1.0}),
        (losses.NLNLLoss, {}),
        (losses.PeerLoss, {}),
    ],
)
def test_parameters_and_sizes_may_be_symbols_in_a_compiled_graph(cls, params):
    logits, labels = batch(classes=3, size=4)
    loss = torch.compile(cls(**params), backend="eager", fullgraph=True, dynamic=True)
    assert torch.isfinite(loss(logits, labels))


@pytest.mark.parametrize("enabled", [False, True])
def test_a_loss_enters_no_context_of_autocast_where_none_is_at_work(enabled):
    """It costs more than the other Python around a small loss; the functions called within add theirs."""
    logits, labels = batch(classes=3, size=4)
    entered = mock.patch.object(torch, "autocast", side_effect=torch.autocast)
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled), entered as contexts:
        losses.ANLCELoss(kernels="reference")(logits, labels)
    assert bool(contexts.call_count) is enabled


def test_a_divergence_is_found_without_float64():
    hook = StopOnDivergenceHook()
    with NoFloat64():
        for iteration in range(30):
            hook._look_at(torch.full((2,), math.nan if iteration > 2 else 1.0), iteration)
    assert hook._state[1] > 0
    hook = StopOnDivergenceHook()
    for iteration in range(30):
        hook._look_at(torch.tensor(1e300, dtype=torch.float64), iteration)
    assert hook._state[1] == 0
