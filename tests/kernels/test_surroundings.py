"""Defaults, modes and kinds of tensors that a caller may have: the kernels name what they need."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from anl_seg import kernels
from anl_seg.kernels import compiled, fused_pixel_loss, terms, use_fused
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance
from anl_seg.models.losses import ANLCELoss, CELoss
from tests.kernels.forms import ALL_TERMS, OF_MARGIN, assert_same, form, forms, of_fused
from tests.surroundings import default_dtype

#: Functions that make a tensor of the default dtype or on the default device where these are not named.
FACTORIES = {
    *("arange", "asarray", "as_tensor", "empty", "empty_strided", "eye", "full", "linspace"),
    *("logspace", "ones", "rand", "randint", "randn", "randperm", "scalar_tensor", "tensor"),
    "zeros",
}
SOURCES = sorted(Path(kernels.__file__).parent.glob("*.py"))


def _nameless(source: str) -> list[str]:
    """Calls of a factory of torch, or of a ``new_`` method, without dtype or device by name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        # `partial(torch.empty, dtype=...)` names them for its factory.
        name = node.args[0] if ast.unparse(node.func) == "partial" and node.args else node.func
        if not isinstance(name, ast.Attribute):
            continue
        of_torch = ast.unparse(name.value) == "torch" and name.attr in FACTORIES
        if of_torch or name.attr.startswith("new_"):
            named = {keyword.arg for keyword in node.keywords}
            if not {"dtype", "device"} <= named:
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_new_tensor_of_the_kernels_has_dtype_and_device_by_name(path):
    assert not _nameless(path.read_text())


def test_the_search_finds_what_it_looks_for():
    assert len(_nameless("torch.empty(3)\nx.new_zeros(2, dtype=d)\ntorch.eye(2, device=d)")) == 3
    assert not _nameless("torch.empty(3, dtype=d, device=e)\ntorch.zeros_like(x)")
    assert not _nameless("partial(torch.empty, dtype=d, device=e)")


def _results(in_c: bool, dtype: torch.dtype, balanced: bool) -> list[torch.Tensor]:
    """What every fused form gives; inputs and sums named by dtype and device."""
    cpu = torch.device("cpu")
    generator = torch.Generator().manual_seed(0)
    found = []
    with form(in_c):
        for classes, parts, mass_min in (
            (1, OF_MARGIN, None),
            (2, ALL_TERMS, None),
            (5, ALL_TERMS, 0.05),
        ):
            shape = (2, classes, 6, 7)
            logits = torch.randn(shape, generator=generator, dtype=dtype, device=cpu)
            target = torch.arange(2 * 6 * 7, dtype=torch.int64, device=cpu).view(2, 6, 7)
            target = target % max(classes, 2)
            target[0, 0] = 255
            leaf = logits.requires_grad_()
            loss, mass = fused_pixel_loss(leaf, target, parts, mass_min=mass_min)
            total = loss.square().sum() if mass is None else loss.square().sum() + mass[0]
            found += [loss, *torch.autograd.grad(total, leaf)]
            found += [] if mass is None else [mass]
            small = logits.detach()[:, :, :3, :3].requires_grad_()
            value, _, mass = upsampled_pixel_loss(small, target, None, parts, mass_min=mass_min)
            found += [value, *torch.autograd.grad(value, small)]
            found.append(upsampled_mass_balance(small, target))
            if balanced:
                found.append(mass_balance(logits, target))
    return [tensor.detach() for tensor in found]


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


SURROUNDINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "float16": lambda: default_dtype(torch.float16),
    "within_meta": lambda: torch.device("meta"),
    "set_to_meta": lambda: default_device("meta"),
    "bfloat16_autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float16_autocast": lambda: torch.autocast("cpu", dtype=torch.float16),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
}


@forms
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_surroundings_change_nothing(name, in_c):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        balanced = "autocast" not in name  # may be the functional form, whose tests have autocast
        expected = _results(in_c, dtype, balanced)
        with SURROUNDINGS[name]():
            found = _results(in_c, dtype, balanced)
        for one, other in zip(found, expected):
            assert (one.dtype, one.device) == (other.dtype, other.device)
            assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["float64", "bfloat16", "within_meta"])
def test_a_loss_is_the_same_in_all_surroundings(name):
    logits, target = torch.randn(2, 3, 4, 5), torch.ones(2, 4, 5, dtype=torch.int64)
    for kernels_ in ("fused", "reference"):
        loss = ANLCELoss(kernels=kernels_, entropy_weight=1.0)
        expected = loss(logits, target)
        with SURROUNDINGS[name]():
            assert torch.equal(loss(logits, target), expected)


def test_meta_tensors_take_the_functional_form():
    logits = torch.empty(2, 3, 4, 4, device="meta", requires_grad=True)
    target = torch.empty(2, 4, 4, device="meta", dtype=torch.int64)
    large = torch.empty(2, 9, 9, device="meta", dtype=torch.int64)
    for _ in range(2):  # nothing of the first call is looked at in the second
        assert CELoss()(logits, target).shape == ()
        loss, mass = fused_pixel_loss(logits, target, ALL_TERMS, mass_min=0.05)
        assert (loss.device.type, loss.shape, mass.shape) == ("meta", (2, 4, 4), (3,))
        assert upsampled_pixel_loss(logits, large, None, ALL_TERMS).total.is_meta
        assert upsampled_mass_balance(logits, large).is_meta
        assert mass_balance(logits, target).is_meta
    with pytest.raises(RuntimeError, match="no fused kernel for meta"):
        CELoss(kernels="fused")(logits, target)


def test_tensors_that_only_stand_for_others_take_the_functional_form():
    logits = torch.randn(2, 3, 4, 4)
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(logits)
    assert not use_fused(fake)
    with pytest.raises(RuntimeError, match=r"needs a plain tensor.*FakeTensor.*'reference'"):
        use_fused(fake, "fused")
    assert use_fused(torch.nn.Parameter(logits), "fused")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_traced_loss_is_that_of_the_logits_it_gets():
    logits, target = torch.randn(2, 3, 4, 4), torch.ones(2, 4, 4, dtype=torch.int64)
    traced = torch.jit.trace(lambda z: fused_pixel_loss(z, target, OF_MARGIN)[0], logits)
    other = torch.randn(2, 3, 4, 4)
    assert_same([traced(other)], [fused_pixel_loss(other, target, OF_MARGIN)[0]])


@pytest.mark.skipif(compiled.library() is None, reason="installed without a C compiler")
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("float64", torch.zeros(2, 3, 4, dtype=torch.float64)),
        ("bfloat16", torch.zeros(2, 3, 4, dtype=torch.bfloat16)),
        ("meta", torch.zeros(2, 3, 4, device="meta")),
        ("strides", torch.zeros(2, 3, 8)[..., ::2]),
        ("to be negated", torch.zeros(2, 3, 4, dtype=torch.complex64).conj().imag),
    ],
)
def test_c_is_handed_nothing_that_it_would_misread(name, wrong):
    good = torch.zeros(2, 3, 4)
    target, loss = torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2, 4)
    described = compiled._describe(good, 255, (terms.CrossEntropy(),), None)
    with pytest.raises(TypeError, match=name):
        compiled._call("anl_seg_forward", described, wrong, target, loss, None, None, tasks=1)
    with pytest.raises(TypeError, match=r"contiguous values of torch.int64.*got torch.int32"):
        compiled._call("anl_seg_forward", described, good, target.int(), loss, None, None, tasks=1)


@forms
def test_a_gradient_of_any_layout_comes_back(in_c):
    """What a loss is multiplied by may be expanded, strided, or to be negated."""
    logits = torch.randn(2, 4, 3, 5)
    target = torch.ones(2, 3, 5, dtype=torch.int64)
    with form(in_c):
        for parts in (OF_MARGIN, ALL_TERMS):
            for classes in (2, 4):
                leaf = logits[:, :classes].clone().requires_grad_()
                loss, _ = fused_pixel_loss(leaf, target, parts)
                plain = torch.randn(2, 3, 5)
                negated = torch.complex(plain, -plain).conj().imag
                for upstream in (negated, plain.mT.contiguous().mT, plain[:1].expand(2, 3, 5)):
                    (found,) = torch.autograd.grad(loss, leaf, upstream, retain_graph=True)
                    kept = upstream.clone().resolve_neg().contiguous()
                    (expected,) = torch.autograd.grad(loss, leaf, kept, retain_graph=True)
                    assert torch.equal(found, expected)


def test_saved_tensors_may_come_back_from_elsewhere():
    """Hooks of saved tensors hand back copies of other strides."""
    logits = torch.randn(2, 5, 6, 8)[:, ::2, :, 1:7]
    target = torch.ones(2, 6, 6, dtype=torch.int64)
    expected = of_fused(logits, target)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone().contiguous(), lambda t: t):
        assert_same(of_fused(logits, target), expected, 0.0)
