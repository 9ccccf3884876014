"""The gradient weights -dL/dz_y of docs/losses.md, formula by formula, at uneven predictions."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch

from anl_seg import functional as F
from anl_seg.functional import class_forms
from anl_seg.models import losses
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.region_loss import RegionLoss
from tests.references.direct_losses import GRADIENT_WEIGHTS, C, Y, others

DOCS = Path(__file__).parents[2] / "docs" / "losses.md"


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(40, C, generator=generator, dtype=torch.float64)


def pull(loss, logits, labels=None):
    """-dL/dz_y by autograd, one pixel in each row."""
    logits = logits.clone().requires_grad_()
    labels = torch.full((len(logits),), Y) if labels is None else labels
    (grad,) = torch.autograd.grad(loss(logits, labels).sum(), logits)
    return -grad[:, Y]


@pytest.mark.parametrize("name", GRADIENT_WEIGHTS)
def test_formula(name, logits):
    params, formula = GRADIENT_WEIGHTS[name]
    p = logits.softmax(1)
    actual = pull(partial(getattr(F, name), **params), logits)
    torch.testing.assert_close(actual, formula(p, p[:, Y]), rtol=1e-4, atol=1e-7)


def test_hard_bootstrap(logits):
    p = logits.softmax(1)
    actual = pull(partial(F.bootstrap_loss, beta=0.8, mode="hard"), logits)
    torch.testing.assert_close(actual, torch.where(p.argmax(1) == Y, 1.0, 0.8) - p[:, Y])


def test_peer_does_not_depend_on_the_prediction_at_alpha_1(logits):
    """Expected over the peers: 1 - alpha pi_y - (1 - alpha) p_y, pi_y the label's share of the batch."""
    labels = torch.arange(len(logits)) % 4  # class 4 has no label
    mine = labels == Y
    for alpha in (0.4, 1.0):
        loss = partial(F.peer_loss, alpha=alpha, pairing="expected")
        expected = 1 - alpha * 0.25 - (1 - alpha) * logits.softmax(1)[mine, Y]
        torch.testing.assert_close(pull(loss, logits, labels)[mine], expected)


def test_normalized_and_normalized_negative_forms(logits):
    """Of the GCE base with weight w: v_k = w(p_k) / (1 - p_k) = p_k^q."""
    q = 0.4
    base = partial(class_forms.generalized_cross_entropy, q=q)
    p = logits.softmax(1)
    u, v = p[:, Y], p**q
    w, rest = v[:, Y] * (1 - u), u * others(v).sum(1)
    each = (1 - v) / q
    value, s = each[:, Y] / each.sum(1), each.sum(1)
    actual = pull(partial(F.normalized_loss, base=base), logits)
    torch.testing.assert_close(actual, ((1 - value) * w + value * rest) / s)
    flipped = (1 - 1e-7**q) / q - each
    share, s = flipped[:, Y] / flipped.sum(1), flipped.sum(1)
    actual = pull(partial(F.normalized_negative_loss, base=base), logits)
    torch.testing.assert_close(actual, ((1 - share) * w + share * rest) / s)


@pytest.mark.parametrize("classes", [2, C])
def test_t_losses_of_an_image(logits, classes):
    """K u (1 - u)^2 for each pixel with two classes, K of the whole image."""
    image = logits[:, :classes].T.reshape(1, classes, 5, 8)
    labels = torch.ones(1, 5, 8, dtype=torch.long)
    z = image.clone().requires_grad_()
    function = F.t_loss if classes == 2 else F.multiclass_t_loss
    loss = function(z, labels, nu=1.0, log_precision=1.0, epsilon=1e-8)
    (grad,) = torch.autograd.grad(loss.sum() / loss.numel(), z)
    p = image.softmax(1)
    u, squares = p[:, 1], (p**2).sum(1) - p[:, 1] ** 2
    error = ((1 - u) ** 2 + squares) / 2
    freedom, size = math.e + 1e-8, 40
    k = (freedom + size) * math.e / (freedom + math.e * error.sum()) / size
    expected = k * u * (1 - u) ** 2 if classes == 2 else k * u * error
    torch.testing.assert_close(-grad[:, 1], expected, rtol=1e-5, atol=1e-9)


def test_noise_robust_dice_of_a_region(logits):
    gamma, image = 1.5, logits.T.reshape(1, C, 5, 8)
    labels = (torch.arange(40) % C).reshape(1, 5, 8)
    z = image.clone().requires_grad_()
    (grad,) = torch.autograd.grad(F.noise_robust_dice(z, labels, gamma=gamma).mean(), z)
    p, g = image.softmax(1), torch.nn.functional.one_hot(labels, C).movedim(-1, 1)
    d = (p**2 + g).sum((0, 2, 3)).view(1, C, 1, 1)
    loss = ((p - g).abs() ** gamma).sum((0, 2, 3)).view(1, C, 1, 1) / d
    own, other = g == 1, (g == 0).double()
    u = p[own]
    d_y, loss_y = d.expand_as(p)[own], loss.expand_as(p)[own]
    first = (gamma * (1 - u) ** gamma + 2 * loss_y * u * (1 - u)) / d_y
    rest = (other * (gamma * p**gamma - 2 * loss * p**2) / d).sum(1, keepdim=True)
    expected = u / C * (first + rest.expand_as(p)[own])
    torch.testing.assert_close(-grad[own], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", ["generalized_cross_entropy", "generalized_jensen_shannon"])
def test_bounds_of_the_sum_over_labels(logits, name):
    """Lowest where all classes are alike, highest at a sure prediction; so excess risk is bounded."""

    def total(z):
        labels = torch.arange(C).expand(len(z), C)
        return getattr(F, name)(z.unsqueeze(2).expand(-1, -1, C), labels).sum(1)

    sure = torch.zeros(1, C, dtype=torch.float64)
    sure[0, 0] = 200.0
    low, high = total(torch.zeros_like(sure)), total(sure)
    between = total(logits)
    assert ((between > low) & (between < high)).all()
    if name == "generalized_cross_entropy":
        expected = torch.tensor([(C - C**0.3) / 0.7, (C - 1) / 0.7], dtype=torch.float64)
        torch.testing.assert_close(torch.cat([low, high]), expected, rtol=1e-4, atol=0.0)


def tables() -> list[str]:
    """First columns of the tables of docs/losses.md that are of the losses, as one text each."""
    found = re.findall(r"(?:^\|.*\n)+", DOCS.read_text(encoding="utf-8"), re.M)
    return [
        t for t in found if t.startswith(("| module", "| loss | gradient", "| loss | published"))
    ]


@pytest.mark.parametrize("column", ["module", "loss | gradient", "loss | published"])
def test_every_registered_loss_has_its_row(column):
    (table,) = (t for t in tables() if t.startswith(f"| {column}"))
    rows = " ".join(line.split("|")[1] for line in table.splitlines()[2:])
    named = set(re.findall(r"`(\w+)`", rows))
    registered = {
        name
        for name, value in vars(losses).items()
        if isinstance(value, type)
        and issubclass(value, (PixelLoss, AdaptiveLoss))
        and value not in (PixelLoss, RegionLoss)
    }
    assert len(registered) >= 34
    assert named == registered
