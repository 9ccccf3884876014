"""Every registered loss is its float64 functional form, whatever surrounds it and however tensors lie."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anl_seg.models import losses
from tests.models.surroundings import (
    NoFloat64,
    autocast,
    build,
    registered,
    without_c,
)
from tests.surroundings import default_dtype

LOSSES = registered()
#: Examples of each loss: in all 200 at least in the short profile, and 2,000 in the long one.
EXAMPLES = max(6, settings.default.max_examples // 7)
#: Values of a pixel's logits: all different, so that no two classes tie, and exact in every dtype.
STEPS = 48
#: (rtol, atol as a share of the largest, atol) of values, by the dtype that they are computed in ...
VALUES = {torch.float64: (1e-9, 1e-10, 1e-12), torch.float32: (2e-5, 5e-6, 1e-6)}
#: ... and of gradients, by the dtype of the logits; they are differences of numbers up to ten.
GRADIENTS = {
    torch.float64: (1e-8, 1e-9, 1e-14),
    torch.float32: (2e-4, 2e-5, 1e-6),
    torch.float16: (2e-3, 1e-3, 1e-6),
    torch.bfloat16: (1e-2, 5e-3, 1e-6),
}
#: Losses that look at 1 - p down to 1e-5, which float32 knows to 1 %.
COARSE = {losses.NLNLLoss: 50.0}
#: ... and of what the loss learns itself: float32, and a sum that cancels.
LEARNED = (1e-3, 1e-3, 2e-5)


def points_last(z):
    return z.movedim(1, -1).contiguous().movedim(-1, 1)


#: Ways a tensor may lie in memory; each gives the same numbers.
LOGIT_LAYOUTS = {
    "contiguous": lambda z: z,
    "channels last": points_last,
    "sliced": lambda z: torch.cat([z, z, z], dim=-1)[..., z.shape[-1] : 2 * z.shape[-1]],
    "every second": lambda z: torch.stack([z, z], dim=-1).flatten(-2)[..., ::2],
    "transposed": lambda z: z.transpose(0, -1).contiguous().transpose(0, -1),
    "some classes": lambda z: torch.cat([z, z], dim=1)[:, : z.shape[1]],
    "expanded": lambda z: z[:1].expand_as(z),
}
LABEL_LAYOUTS = {
    "contiguous": lambda y: y,
    "crop": lambda y: torch.nn.functional.pad(y, (1, 2), value=9)[..., 1 : 1 + y.shape[-1]],
    "transposed": lambda y: y.transpose(0, -1).contiguous().transpose(0, -1),
    "expanded": lambda y: y[:1].expand_as(y),
}


@dataclass
class Case:
    """One call, and what surrounds it."""

    classes: int
    channels: int
    shape: tuple[int, ...]
    seed: int
    scale: float
    dtype: torch.dtype
    logit_layout: str
    label_layout: str
    label_dtype: torch.dtype
    ignored: float
    ignore_index: int
    weight: torch.dtype | None
    params: dict
    form: str
    default: torch.dtype
    autocast: torch.dtype | None
    default_device: str | None
    no_float64: bool


@st.composite
def cases(draw, cls, params):
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    # One class is in the frequent case of every dimension, or many would meet each other rarely.
    channels = pick(2, 3, 1, 5) if cls is not losses.TLoss else pick(2, 1)
    images = pick(2, 1, 3, 0)
    if params.get("views") == 2:
        images *= 2
    shape = (images, *pick((3, 4), (1, 1), (0, 3), (5,), (2, 3, 2), ()))
    params = dict(params)
    classes = max(channels, 2)
    if draw(st.booleans()):
        params["class_weight"] = [0.1 + 0.3 * k for k in range(classes)]
    params["mass_balance"] = pick(0.0, 1.0, 0.5)
    params["logit_clip"] = pick(None, None, 2.0)
    params["reduction"] = pick("mean", "sum", "none")
    form = pick("fused", "without C", "reference")
    dtype = pick(torch.float32, torch.float16, torch.bfloat16, torch.float64)
    default = pick(torch.float32, torch.bfloat16, torch.float64, torch.float16)
    integers = pick(torch.int64, torch.uint8, torch.int32)
    # The compiled library adds up in float64 on the host.
    forbidden = form == "reference" and torch.float64 not in (dtype, default)
    return Case(
        classes=classes,
        channels=channels,
        shape=shape,
        seed=draw(st.integers(0, 2**20)),
        scale=pick(1.0, 0.25, 4.0),
        dtype=dtype,
        logit_layout=pick(*LOGIT_LAYOUTS),
        label_layout=pick(*LABEL_LAYOUTS),
        label_dtype=integers,
        ignored=pick(0.3, 0.0, 1.0),
        ignore_index=255 if integers == torch.uint8 else pick(255, -100),
        weight=pick(None, torch.float32, torch.float16, torch.bool, torch.int64),
        params=params,
        form=form,
        default=default,
        autocast=pick(None, torch.float16, torch.bfloat16),
        default_device=pick(None, "meta"),
        no_float64=forbidden and draw(st.booleans()),
    )


def tensors(case):
    """Logits in float64 that every dtype holds, labels, and weights or None, on the CPU."""
    generator = torch.Generator().manual_seed(case.seed)
    images, *space = case.shape
    pixels = torch.rand(images, STEPS, *space, generator=generator).argsort(dim=1)
    logits = case.scale * (pixels[:, : case.channels].double() / 4.0 - 5.875)
    labels = torch.randint(0, case.classes, case.shape, generator=generator)
    drop = torch.rand(case.shape, generator=generator) < case.ignored
    labels = torch.where(drop, case.ignore_index, labels)
    if case.label_layout == "expanded" or case.params.get("views") == 2:
        labels = labels[:1].expand_as(labels).contiguous()
    if case.logit_layout == "expanded":
        logits = logits[:1].expand_as(logits).contiguous()
    weight = None
    if case.weight is not None:
        weight = torch.randint(0, 4, case.shape, generator=generator).to(case.weight)
    return logits, labels, weight


def outcome(loss, logits, labels, weight, case):
    """Value, gradient of the logits, and gradients of the loss's own parameters."""
    logits = logits.detach().requires_grad_()
    torch.manual_seed(case.seed)  # complementary labels and peers
    value = loss(logits, labels, weight, ignore_index=case.ignore_index)
    learned = list(loss.parameters())
    # Of each pixel another share, where the loss is not reduced.
    shares = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype, device="cpu")
    gradients = torch.autograd.grad((value * shares.view(value.shape)).sum(), [logits, *learned])
    return value.detach(), *gradients


def surroundings(case):
    stack = ExitStack()
    stack.enter_context(default_dtype(case.default))
    stack.enter_context(without_c(case.form == "without C"))
    stack.enter_context(NoFloat64() if case.no_float64 else nullcontext())
    return stack


def close(found, expected, tolerance, factor=1.0):
    rtol, share, floor = (factor * limit for limit in tolerance)
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    atol = share * largest + floor
    torch.testing.assert_close(found.double(), expected, rtol=rtol, atol=atol)


def check(cls, case):
    logits, labels, weight = tensors(case)
    exact = build(cls, case.classes, kernels="reference", **case.params).double()
    value, gradient, *learned = outcome(exact, logits, labels, weight, case)
    ours_logits = LOGIT_LAYOUTS[case.logit_layout](logits.to(case.dtype))
    ours_labels = LABEL_LAYOUTS[case.label_layout](labels.to(case.label_dtype))
    with surroundings(case):
        form = "reference" if case.form == "reference" else "auto"
        loss = build(cls, case.classes, kernels=form, **case.params)
        device = nullcontext() if case.default_device is None else torch.device(case.default_device)
        with autocast(case.autocast), device:
            found = outcome(loss, ours_logits, ours_labels, weight, case)
    assert found[0].dtype == (torch.float64 if case.dtype == torch.float64 else torch.float32)
    assert found[1].dtype == case.dtype
    factor = COARSE.get(cls, 1.0) if case.dtype != torch.float64 else 1.0
    close(found[0], value, VALUES[found[0].dtype], factor)
    close(found[1], gradient, GRADIENTS[case.dtype], factor)
    for ours, theirs in zip(found[2:], learned):
        close(ours, theirs, LEARNED)


@pytest.mark.parametrize(
    ("cls", "params"), LOSSES, ids=[f"{c.__name__}{p or ''}".replace("'", "") for c, p in LOSSES]
)
def test_every_loss_is_its_float64_functional_form(cls, params):
    @settings(max_examples=EXAMPLES)
    @given(cases(cls, params))
    def holds(case):
        check(cls, case)

    holds()


def test_two_views_of_odd_batches_are_no_case_here():
    with pytest.raises(ValueError, match="N must be even"):
        losses.GJSLoss(views=2)(torch.zeros(3, 2, 4), torch.zeros(3, 4, dtype=torch.long))
