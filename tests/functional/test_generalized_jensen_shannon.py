"""Jensen-Shannon loss: limits, bounds, and the second view."""

from __future__ import annotations

import math

import pytest
import torch

from anl_seg.functional import cross_entropy, generalized_jensen_shannon, mean_absolute_error

C = 5


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, C, 6, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 6, 7), generator=generator)
    labels[0, :2] = 255
    return logits, labels


@pytest.fixture
def second(batch):
    generator = torch.Generator().manual_seed(1)
    return batch[0] + torch.randn(batch[0].shape, generator=generator, dtype=torch.float64)


def test_limits(batch):
    batch = (0.3 * batch[0], batch[1])  # no p_y as small as pi is to be
    near_0 = generalized_jensen_shannon(*batch, pi=1e-6)
    torch.testing.assert_close(near_0, cross_entropy(*batch), rtol=1e-3, atol=1e-6)
    near_1 = generalized_jensen_shannon(*batch, pi=1 - 1e-6)
    torch.testing.assert_close(near_1, mean_absolute_error(*batch), rtol=0.3, atol=1e-6)
    farther = generalized_jensen_shannon(*batch, pi=1 - 1e-3)  # nears as 1 / log(1 - pi)
    mae = mean_absolute_error(*batch)
    assert (near_1 - mae).abs().max() < 0.6 * (farther - mae).abs().max()


@pytest.mark.parametrize("pi", [0.1, 0.5, 0.9])
def test_bounds_are_reached(pi):
    logits = torch.tensor([[50.0, 0.0], [0.0, 50.0]], dtype=torch.float64)
    best, worst = generalized_jensen_shannon(logits, torch.tensor([0, 0]), pi=pi, scaled=False)
    assert best.item() == pytest.approx(0.0, abs=1e-12)
    assert worst.item() == pytest.approx(
        -pi * math.log(pi) - (1 - pi) * math.log(1 - pi), rel=1e-12
    )


def test_scale(batch):
    scaled = generalized_jensen_shannon(*batch, pi=0.3)
    plain = generalized_jensen_shannon(*batch, pi=0.3, scaled=False)
    torch.testing.assert_close(scaled * -0.7 * math.log(0.7), plain)


def test_two_equal_views_are_one(batch):
    torch.testing.assert_close(
        generalized_jensen_shannon(*batch, pi=0.3, logits2=batch[0]),
        generalized_jensen_shannon(*batch, pi=0.3),
    )


def test_views_are_interchangeable_and_both_learn(batch, second):
    one, two = batch[0].clone().requires_grad_(), second.clone().requires_grad_()
    loss = generalized_jensen_shannon(one, batch[1], pi=0.3, logits2=two)
    swapped = generalized_jensen_shannon(two, batch[1], pi=0.3, logits2=one)
    torch.testing.assert_close(loss, swapped)
    for grad in torch.autograd.grad(loss.sum(), [one, two]):
        assert grad.abs().sum() > 0
        assert (grad.movedim(1, -1)[batch[1] == 255] == 0).all()
    assert (loss[batch[1] == 255] == 0).all()


def test_disagreement_of_the_views_costs(batch, second):
    """By 1 - pi times the Jensen-Shannon divergence of the views, beyond JS of their mean."""
    mean = (batch[0].softmax(1) + second.softmax(1)) / 2
    apart = generalized_jensen_shannon(*batch, pi=0.3, logits2=second)
    together = generalized_jensen_shannon(mean.log(), batch[1], pi=0.3)
    extra = sum(
        (z.softmax(1) * (z.log_softmax(1) - mean.log())).sum(1) / 2 for z in (batch[0], second)
    )
    extra = torch.where(batch[1] == 255, 0.0, extra) * 0.7 / (-0.7 * math.log(0.7))
    torch.testing.assert_close(apart, together + extra, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_two_views_in_lower_precision(batch, second, dtype):
    one, two = batch[0].to(dtype), second.to(dtype)
    loss = generalized_jensen_shannon(one, batch[1], logits2=two)
    assert loss.dtype == torch.float32
    expected = generalized_jensen_shannon(one.double(), batch[1], logits2=two.double())
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-5)


def test_two_views_of_a_binary_head(batch, second):
    labels = torch.where(batch[1] == 255, 255, batch[1] % 2)
    one, two = batch[0][:, :1], second[:, :1]
    full = [torch.cat([torch.zeros_like(z), z], 1) for z in (one, two)]
    torch.testing.assert_close(
        generalized_jensen_shannon(one, labels, logits2=two),
        generalized_jensen_shannon(full[0], labels, logits2=full[1]),
    )


def test_what_does_not_fit_is_named(batch, second):
    for pi in (0.0, 1.0, -0.5, math.nan):
        with pytest.raises(ValueError, match=rf"pi must lie in \(0, 1\); got {pi}"):
            generalized_jensen_shannon(*batch, pi=pi)
    with pytest.raises(
        ValueError, match=r"logits2 must have the shape of logits.*got \(2, 4, 6, 7\)"
    ):
        generalized_jensen_shannon(*batch, logits2=second[:, :4])
