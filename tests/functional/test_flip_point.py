"""What the flip point of the negative loss does to its gradient: the formulas of docs/choosing_parameters.md.

With u = p_y and the other C - 1 classes sharing 1 - u evenly, A = -log min_prob.
"""

from __future__ import annotations

import math

import pytest
import torch

from anl_seg import functional as F


def pull(function, u: float, num_classes: int) -> float:
    """-dL / dz_y of one pixel whose label has probability ``u``, the others share the rest."""
    rest = (1.0 - u) / (num_classes - 1)
    z = torch.tensor([u] + [rest] * (num_classes - 1), dtype=torch.float64).log().view(1, -1)
    z.requires_grad_()
    (grad,) = torch.autograd.grad(function(z, torch.zeros(1, dtype=torch.long)).sum(), z)
    return -grad[0, 0].item()


CASES = [(C, p) for C in (2, 4, 21, 43) for p in (1e-7, 1e-3, 0.4 / C)]


@pytest.mark.parametrize(("num_classes", "min_prob"), CASES)
def test_pull_on_an_undecided_and_on_a_sure_pixel(num_classes, min_prob):
    def loss(z, y):
        return F.normalized_negative_cross_entropy(z, y, min_prob=min_prob)

    C, A = num_classes, -math.log(min_prob)
    undecided = (1 - 1 / C) / (C * (A - math.log(C)))
    assert pull(loss, 1 / C, C) == pytest.approx(undecided, rel=1e-9)
    # Just before the others reach min_prob; then, all at once, nothing.
    edge = 1 - (C - 1) * min_prob
    f = A + math.log(edge)
    eps = 1e-9 * min_prob
    assert pull(loss, edge - (C - 1) * eps, C) == pytest.approx(
        ((1 - edge) - (1 - C * edge)) / f, rel=1e-6
    )
    assert pull(loss, edge + (C - 1) * eps, C) == pytest.approx(0.0, abs=1e-12)
    # For a small min_prob the two differ by C^2 (1 - log C / A).
    if min_prob == 1e-7:
        ratio = pull(loss, edge - (C - 1) * eps, C) / undecided
        assert ratio == pytest.approx(C**2 * (1 - math.log(C) / A), rel=1e-3)


@pytest.mark.parametrize(("num_classes", "min_prob"), CASES)
def test_a_lost_class_is_called_back_by_nce_alone(num_classes, min_prob):
    """A pixel that is sure of another class: p_y below min_prob, and so are all others but one."""
    C = num_classes
    z = torch.full((1, C), math.log(min_prob * 0.99), dtype=torch.float64)
    z[0, 1] = math.log(1 - (C - 1) * min_prob * 0.99)
    z.requires_grad_()
    y = torch.zeros(1, dtype=torch.long)
    (nnce,) = torch.autograd.grad(
        F.normalized_negative_cross_entropy(z, y, min_prob=min_prob).sum(), z
    )
    assert (nnce == 0).all()
    (nce,) = torch.autograd.grad(F.normalized_cross_entropy(z, y).sum(), z)
    if C > 2 and min_prob < 1e-2 / C:
        a = -math.log(0.99 * min_prob)  # about A: p_y, and the pull falls with 1 / A
        assert -nce[0, 0].item() == pytest.approx((C - 2) / ((C - 1) ** 2 * a), rel=0.02)
    assert nce[0, 0].item() < 0


@pytest.mark.parametrize(("num_classes", "min_prob"), CASES)
def test_symmetry_holds_at_any_flip_point(num_classes, min_prob):
    """The sum over the labels is C - 1, also where classes lie below the flip point."""
    generator = torch.Generator().manual_seed(0)
    z = 4 * torch.randn(200, num_classes, generator=generator, dtype=torch.float64)
    assert (z.softmax(1) < min_prob).any() or min_prob == 1e-7
    total = sum(
        F.normalized_negative_cross_entropy(z, torch.full((200,), k), min_prob=min_prob)
        for k in range(num_classes)
    )
    torch.testing.assert_close(total, torch.full_like(total, num_classes - 1.0))
