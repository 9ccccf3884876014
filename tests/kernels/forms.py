"""What the tests of the edges share: a fused form of each kind, beside the functional form."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from anl_seg.kernels import compiled, functional_form, fused_pixel_loss, terms

#: Every kind of term, and every sum over the classes.
ALL_TERMS = (
    terms.CrossEntropy(0.5),
    terms.Focal(0.5, gamma=1.5),
    terms.MeanAbsoluteError(),
    terms.GeneralizedCrossEntropy(q=0.4),
    terms.AsymmetricGeneralizedCrossEntropy(a=0.6, q=0.6),
    terms.AsymmetricUnhinged(a=1.5, q=0.9),
    terms.AsymmetricExponential(a=2.5),
    terms.ReverseCrossEntropy(0.3),
    terms.NormalizedCrossEntropy(2.0),
    terms.NormalizedFocal(gamma=0.5),
    terms.NormalizedNegativeCrossEntropy(3.0),
    terms.NormalizedNegativeFocal(gamma=0.5, min_prob=1e-4),
)
#: What two classes compute from the difference of the logits alone.
OF_MARGIN = (terms.NormalizedCrossEntropy(5.0), terms.NormalizedNegativeCrossEntropy(5.0))

IN_C = pytest.param(
    True,
    id="c",
    marks=pytest.mark.skipif(compiled.library() is None, reason="installed without a C compiler"),
)
BY_TORCH = pytest.param(False, id="torch")
#: Whether the library in C is there.
forms = pytest.mark.parametrize("in_c", [IN_C, BY_TORCH])


@contextmanager
def form(in_c: bool):
    """The fused form in C, or in blocks of torch operations."""
    with pytest.MonkeyPatch.context() as patch:
        if not in_c:
            patch.setattr(compiled, "library", lambda: None)
        yield


def total(loss: Tensor, mass: Tensor | None) -> Tensor:
    """A number with another slope by each pixel and class."""
    result = (loss * torch.linspace(0.5, 2.0, loss.numel()).view(loss.shape)).sum()
    return result if mass is None else result + (mass * torch.arange(1.0, len(mass) + 1.0)).sum()


def of_fused(logits: Tensor, target: Tensor, parts=ALL_TERMS, mass_min=None):
    """Loss, mass and gradient of the fused form; of the logits as they lie."""
    leaf = logits.detach().requires_grad_()
    loss, mass = fused_pixel_loss(leaf, target, parts, mass_min=mass_min)
    (grad,) = torch.autograd.grad(total(loss, mass), leaf)
    return loss.detach(), mass, grad


def of_functional(logits: Tensor, target: Tensor, parts=ALL_TERMS, mass_min=None):
    """The same of the functional form, in float64 and of copies that are contiguous."""
    leaf = logits.detach().double().resolve_neg().contiguous().requires_grad_()
    loss, mass = functional_form.pixel_loss(leaf, target.contiguous(), parts, 255, mass_min)
    (grad,) = torch.autograd.grad(total(loss, mass), leaf)
    return loss.detach(), mass, grad


def assert_same(got, expected, tolerance=1e-4) -> None:
    """Tensors, or None in both; NaN and infinity are values like others."""
    for g, e in zip(got, expected):
        assert (g is None) == (e is None)
        if g is not None:
            assert g.shape == e.shape
            torch.testing.assert_close(
                g.double(), e.double(), rtol=tolerance, atol=tolerance, equal_nan=True
            )
