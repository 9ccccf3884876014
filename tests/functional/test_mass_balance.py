from __future__ import annotations

import math

import pytest
import torch

from anl_seg.functional import active_negative_cross_entropy, mass_balance, mean_absolute_error


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 6), generator=generator)
    labels[0, 0] = 255
    return logits, labels


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_is_the_formula(batch, exponent):
    logits, labels = batch
    weight = mass_balance(logits, labels, exponent)
    pixels = [
        (logits[n, :, i, j].softmax(0), weight[n, i, j])
        for n in range(2)
        for i in range(5)
        for j in range(6)
        if labels[n, i, j] != 255
    ]
    mass = sum(p for p, _ in pixels) / len(pixels)
    expected = torch.stack([(p / mass**exponent).sum() for p, _ in pixels])
    found = torch.stack([w for _, w in pixels])
    torch.testing.assert_close(found, expected / expected.mean())
    assert (weight[labels == 255] == 0).all()


def test_at_exponent_1_every_class_has_the_same_share(batch):
    logits, labels = batch
    logits[:, 3] -= 4.0  # a rare class
    probs = logits.softmax(1)
    valid = (labels != 255).unsqueeze(1)
    mass = (probs * valid).sum((0, 2, 3)) / valid.sum()
    share = (probs / mass.view(1, 4, 1, 1) * valid).sum((0, 2, 3))
    torch.testing.assert_close(share, share[:1].expand(4))
    rare = probs[:, 3] > 0.5 * probs[:, 3].max()
    assert mass_balance(logits, labels)[rare & valid[:, 0]].mean() > 2.0


def expected_gradient(logits, labels, weight, loss, rate):
    """Gradient of the weighted loss, expected over symmetric noise of the labels."""
    logits = logits.detach().requires_grad_()
    total = 0.0
    for shift in range(4):
        share = 1.0 - rate if shift == 0 else rate / 3
        noisy = (labels + shift) % 4
        total = total + share * (weight(logits, noisy) * loss(logits, noisy)).mean()
    return torch.autograd.grad(total, logits)[0]


@pytest.mark.parametrize(
    "loss", [mean_absolute_error, lambda z, y: active_negative_cross_entropy(z, y, min_prob=0.1)]
)
def test_symmetric_noise_scales_the_expected_gradient_and_no_more(batch, loss):
    """Which weights by label do not: they give another direction."""
    logits, labels = batch
    labels = labels % 4
    rate = 0.6
    scale = 1.0 - rate * 4 / 3
    clean = expected_gradient(logits, labels, mass_balance, loss, 0.0)
    noisy = expected_gradient(logits, labels, mass_balance, loss, rate)
    torch.testing.assert_close(noisy, scale * clean)
    by_label = torch.tensor([0.2, 1.0, 3.0, 10.0], dtype=torch.float64)
    clean = expected_gradient(logits, labels, lambda _, y: by_label[y], loss, 0.0)
    noisy = expected_gradient(logits, labels, lambda _, y: by_label[y], loss, rate)
    assert (noisy - scale * clean).abs().max() > 0.1 * clean.abs().max()


def test_one_channel_half_precision_and_batches_without_pixels(batch):
    z = torch.tensor([[[-2.0, 0.5, 3.0]]]).half()
    labels = torch.tensor([[0, 1, 255]])
    weight = mass_balance(z, labels)
    assert weight.dtype == torch.float32
    both = torch.cat([torch.zeros_like(z), z], 1).float()
    torch.testing.assert_close(weight, mass_balance(both, labels))
    logits, labels = batch
    assert (mass_balance(logits, torch.full_like(labels, 255)) == 0).all()
    logits[0, :, 0, 0] = math.nan  # ignored
    assert torch.isfinite(mass_balance(logits, labels)).all()
    far = torch.zeros(1, 3, 2, 2)
    far[:, 0] = 1e4  # two classes predicted nowhere
    assert torch.isfinite(mass_balance(far, torch.zeros(1, 2, 2, dtype=torch.long))).all()


def test_wrong_exponents_are_named(batch):
    for value in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=r"mass_balance must lie in \[0, 1\]; got"):
            mass_balance(*batch, value)
