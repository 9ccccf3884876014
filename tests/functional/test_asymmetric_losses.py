"""Asymmetric and normalized losses: their limits, their sums and where their noisy risk is least."""

from __future__ import annotations

import math

import pytest
import torch

from anl_seg import functional as F

C = 3


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, C, 6, 7, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, C, (2, 6, 7), generator=generator)


def simplex(steps=60):
    """All (p_0, p_1, p_2) on a grid, as logits (P, 3)."""
    points = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    probs = torch.tensor(points, dtype=torch.float64) / steps
    return probs, probs.clamp(min=1e-12).log()


def minimiser(loss, label_share):
    """Where the expected loss over labels drawn with ``label_share`` is least, as probabilities."""
    probs, logits = simplex()
    risk = sum(
        share * loss(logits, torch.full((len(logits),), k)) for k, share in enumerate(label_share)
    )
    return probs[risk.argmin()].tolist()


#: loss, and the factor by which the true label must be the most frequent one
ASYMMETRIC = [
    (lambda z, y: F.asymmetric_generalized_cross_entropy(z, y, a=1.0, q=2.0), 1.0),
    (
        lambda z, y: F.asymmetric_generalized_cross_entropy(z, y, a=0.6, q=0.6),
        (1.6 / 0.6) ** 0.4,
    ),
    (lambda z, y: F.asymmetric_unhinged_loss(z, y, a=1.5, q=0.9), 1.0),
    (lambda z, y: F.asymmetric_unhinged_loss(z, y, a=5.5, q=3.0), (5.5 / 4.5) ** 2),
    (lambda z, y: F.asymmetric_exponential_loss(z, y, a=2.5), math.exp(1 / 2.5)),
    (lambda z, y: F.asymmetric_norm_loss(z, y, a=1.5, p=0.9), 1.0),
]


@pytest.mark.parametrize(("loss", "ratio"), ASYMMETRIC)
def test_the_most_frequent_label_wins_from_the_stated_factor_on(loss, ratio):
    for factor in (1.05 * ratio, 2 * ratio):
        shares = torch.tensor([factor, 1.0, 1.0])
        assert minimiser(loss, (shares / shares.sum()).tolist()) == [1, 0, 0]
    if ratio > 1:
        shares = torch.tensor([0.8 * ratio, 1.0, 0.0])
        assert minimiser(loss, (shares / shares.sum()).tolist()) != [1, 0, 0]


def test_the_sum_over_labels_of_the_normalised_ones_is_one(batch):
    logits = 5 * batch[0]
    for loss in (F.normalized_generalized_cross_entropy, F.normalized_reverse_cross_entropy):
        total = sum(loss(logits, torch.full_like(batch[1], k)) for k in range(C))
        torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            lambda z, y: F.normalized_generalized_cross_entropy(z, y, q=1e-8),
            F.normalized_cross_entropy,
        ),
        (
            lambda z, y: F.normalized_generalized_cross_entropy(z, y, q=1.0),
            lambda z, y: F.mean_absolute_error(z, y) / (C - 1),
        ),
        (
            F.normalized_reverse_cross_entropy,
            lambda z, y: F.mean_absolute_error(z, y) / (C - 1),
        ),
        (
            lambda z, y: F.asymmetric_generalized_cross_entropy(z, y, a=1e-9, q=0.7),
            F.generalized_cross_entropy,
        ),
        (
            lambda z, y: F.asymmetric_unhinged_loss(z, y, a=2.0, q=1.0),
            F.mean_absolute_error,
        ),
        (
            lambda z, y: 1e6 * (1 - F.asymmetric_exponential_loss(z, y, a=1e6)),
            lambda z, y: 1 - F.mean_absolute_error(z, y),
        ),
        (
            lambda z, y: F.asymmetric_norm_loss(z, y, a=2.0, p=1.0),
            lambda z, y: 2 * F.mean_absolute_error(z, y),
        ),
    ],
)
def test_limits(one, other, batch):
    torch.testing.assert_close(one(*batch), other(*batch), rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize(
    "loss", [F.asymmetric_generalized_cross_entropy, F.asymmetric_unhinged_loss]
)
def test_large_powers_do_not_hide_a_small_loss_in_float32(loss):
    logits = torch.tensor([[12.0, 0.0, 0.0]])  # 1 - p_y = 1.2e-5
    single = loss(logits, torch.tensor([0]), a=60.0, q=3.0)
    double = loss(logits.double(), torch.tensor([0]), a=60.0, q=3.0)
    # What the rounding of log p_y leaves; the difference of the powers is off by 100 %.
    torch.testing.assert_close(single.double(), double, rtol=1e-2, atol=0.0)
