"""Every kind of term in C, Triton and torch against a slow reference; few parameters per kernel."""

from __future__ import annotations

import ast
import math
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anl_seg.kernels import cuda, fused_pixel_loss
from anl_seg.kernels import terms as t
from tests.kernels.forms import BY_TORCH, IN_C, form

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "anl_seg" / "kernels"
MAX_PARAMETERS = 15
GPU = torch.cuda.is_available()
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

#: A term of each kind, with parameters that are no defaults.
TERMS = (
    t.CrossEntropy(0.5),
    t.Focal(0.5, gamma=1.5),
    t.MeanAbsoluteError(2.0),
    t.GeneralizedCrossEntropy(0.7, q=0.4),
    t.AsymmetricGeneralizedCrossEntropy(0.3, a=0.6, q=0.6),
    t.AsymmetricUnhinged(0.3, a=1.5, q=0.8),
    t.AsymmetricExponential(0.3, a=2.5),
    t.ReverseCrossEntropy(0.3),
    t.NormalizedCrossEntropy(2.0),
    t.NormalizedFocal(3.0, gamma=0.7),
    t.NormalizedNegativeCrossEntropy(3.0, min_prob=0.02),
    t.NormalizedNegativeFocal(3.0, gamma=0.7, min_prob=0.02),
)


def _focal(p: Tensor, gamma: float) -> Tensor:
    """The focal loss of a probability, its factor constant in the gradient."""
    return -((1.0 - p.detach()) ** gamma) * p.log()


def _flipped(p: Tensor, term) -> Tensor:
    """What is left of the focal loss at ``min_prob``; of gamma = 0 that is cross entropy."""
    gamma = getattr(term, "gamma", 0.0)
    top = -((1.0 - term.min_prob) ** gamma) * math.log(term.min_prob)
    return top - _focal(p.clamp(min=term.min_prob), gamma)


def _negative(p: Tensor, y: int, term) -> Tensor:
    return 1.0 - _flipped(p[y], term) / sum(_flipped(each, term) for each in p)


#: The loss of one pixel by its definition, from the probabilities (C,), the label and the term.
DEFINITIONS = {
    t.CrossEntropy: lambda p, y, _: -p[y].log(),
    t.Focal: lambda p, y, term: _focal(p[y], term.gamma),
    t.MeanAbsoluteError: lambda p, y, _: 1.0 - p[y],
    t.GeneralizedCrossEntropy: lambda p, y, term: (1.0 - p[y].clamp(min=1e-7) ** term.q) / term.q,
    t.AsymmetricGeneralizedCrossEntropy: lambda p, y, term: (
        ((term.a + 1.0) ** term.q - (term.a + p[y]) ** term.q) / term.q
    ),
    t.AsymmetricUnhinged: lambda p, y, term: (
        ((term.a - p[y]) ** term.q - (term.a - 1.0) ** term.q) / term.q
    ),
    t.AsymmetricExponential: lambda p, y, term: (-p[y] / term.a).exp(),
    t.ReverseCrossEntropy: lambda p, y, _: (
        -math.log(1e-4) * sum(p[k].clamp(min=1e-7) for k in range(len(p)) if k != y)
    ),
    t.NormalizedCrossEntropy: lambda p, y, _: p[y].log() / p.log().sum(),
    t.NormalizedFocal: lambda p, y, term: (
        _focal(p[y], term.gamma) / sum(_focal(each, term.gamma) for each in p)
    ),
    t.NormalizedNegativeCrossEntropy: _negative,
    t.NormalizedNegativeFocal: _negative,
}


def slow(logits: Tensor, target: Tensor, terms) -> tuple[Tensor, Tensor]:
    """Loss of each pixel and its gradient, pixel by pixel in float64."""
    leaf = logits.detach().cpu().double().requires_grad_()
    losses = []
    for sample, labels in zip(leaf, target.cpu()):
        for z, label in zip(sample.T, labels.tolist()):
            p = (torch.cat([z.new_zeros(1), z]) if len(z) == 1 else z).softmax(0)
            parts = (term.weight * DEFINITIONS[type(term)](p, label, term) for term in terms)
            losses.append(z.sum() * 0.0 if label == 255 else sum(parts))
    loss = torch.stack(losses).view(target.shape)
    (loss * _upstream(target).cpu()).sum().backward()
    return loss.detach(), leaf.grad


def _upstream(target: Tensor) -> Tensor:
    values = torch.linspace(0.5, 2.0, target.numel(), dtype=torch.float64, device=target.device)
    return values.view(target.shape)


def _sample(classes: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Logits (2, C, 7) of confident and of unsure pixels, and labels (2, 7), one ignored."""
    gen = torch.Generator().manual_seed(classes)
    scale = torch.linspace(0.5, 4.0, 7, dtype=torch.float64)
    logits = torch.randn(2, classes, 7, generator=gen, dtype=torch.float64) * scale
    target = torch.randint(0, max(classes, 2), (2, 7), generator=gen)
    target[1, 2] = 255
    return logits.to(device), target.to(device)


def _assert_like_the_reference(loss_of, logits: Tensor, target: Tensor, terms, tolerance: float):
    leaf = logits.detach().clone().requires_grad_()
    loss = loss_of(leaf, target, terms)
    (loss * _upstream(target).to(loss.dtype)).sum().backward()
    expected = slow(logits, target, terms)
    for got, want in zip((loss.detach(), leaf.grad), expected):
        torch.testing.assert_close(got.cpu().double(), want, rtol=tolerance, atol=tolerance)


def test_every_kind_has_a_definition_and_a_row():
    assert set(t.KINDS) == set(DEFINITIONS) == {type(term) for term in TERMS}
    assert [t.row(term).kind for term in TERMS] == [t.KINDS.index(type(term)) for term in TERMS]


CASES = [*((term,) for term in TERMS), TERMS]


def _name(terms) -> str:
    return type(terms[0]).__name__ if len(terms) == 1 else "all"


@pytest.mark.parametrize("in_c", [IN_C, BY_TORCH])
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("terms", CASES, ids=_name)
def test_every_kind_on_the_cpu(terms, classes, in_c):
    logits, target = _sample(classes)
    with form(in_c):
        logits = logits.float() if in_c else logits
        _assert_like_the_reference(
            lambda z, y, parts: fused_pixel_loss(z, y, parts)[0],
            logits,
            target,
            terms,
            2e-5 if in_c else 1e-11,
        )


@pytest.mark.skipif(not (GPU or INTERPRETED), reason="run by test_every_kind_in_the_interpreter")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("terms", CASES, ids=_name)
def test_every_kind_in_triton(terms):
    pytest.importorskip("triton")
    device = "cuda" if GPU and not INTERPRETED else "cpu"
    for classes in (1, 5):
        _assert_like_the_reference(
            lambda z, y, parts: cuda.fused_pixel_loss(z, y, parts)[0],
            *_sample(classes, device),
            terms,
            1e-11,
        )


@pytest.mark.interpreter
@pytest.mark.skipif(GPU or INTERPRETED, reason="the test above runs in this process")
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_every_kind_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    env = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(
        [*command, "-k", "triton"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert f"{len(CASES)} passed" in run.stdout


def _c_functions() -> dict[str, int]:
    """Parameters of each function that is defined in C."""
    source = re.sub(r"/\*.*?\*/", "", (KERNELS / "softmax_cpu.c").read_text(), flags=re.S)
    found = re.findall(r"^[A-Z_a-z][^;{}#=]*?\b(\w+)\(([^(){};]*)\)\s*\{", source, flags=re.M)
    return {name: parameters.count(",") + 1 for name, parameters in found}


def _python_functions() -> dict[str, int]:
    """Parameters of each function in Python, of Triton's kernels too."""
    found = {}
    for path in sorted(KERNELS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                of = node.args
                number = len(of.posonlyargs) + len(of.args) + len(of.kwonlyargs)
                found[f"{path.name}: {node.name}"] = number
    return found


def test_no_kernel_has_many_parameters():
    in_c, in_python = _c_functions(), _python_functions()
    assert {"anl_seg_forward", "anl_seg_backward", "anl_seg_weights", "margin_chunk"} <= set(in_c)
    triton = {"softmax_triton.py: forward_kernel", "mass_balance_triton.py: class_weights_kernel"}
    assert triton <= set(in_python)
    many = {name: n for name, n in {**in_c, **in_python}.items() if n > MAX_PARAMETERS}
    assert not many
