from __future__ import annotations

import math

import pytest
import torch

from anl_seg.functional import entropy_regularization


def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 6), generator=generator)
    labels[0, :2] = 255
    return logits, labels


def test_is_kl_of_the_mean_prediction_over_valid_pixels():
    logits, labels = batch()
    prior = torch.tensor([0.6, 0.2, 0.15, 0.05], dtype=torch.float64)
    mean = torch.softmax(logits, 1).movedim(1, -1)[labels != 255].mean(0)
    expected = (mean * (mean / prior).log()).sum()
    torch.testing.assert_close(entropy_regularization(logits, labels, class_prior=prior), expected)


def test_uniform_prior_is_log_c_minus_the_entropy():
    logits, labels = batch()
    mean = torch.softmax(logits, 1).movedim(1, -1)[labels != 255].mean(0)
    expected = math.log(4) + (mean * mean.log()).sum()
    torch.testing.assert_close(entropy_regularization(logits, labels), expected)
    uniform = torch.full((4,), 0.25)
    torch.testing.assert_close(
        entropy_regularization(logits, labels, class_prior=uniform), expected, rtol=1e-6, atol=1e-8
    )


def test_is_zero_at_the_prior_and_pulls_towards_it():
    labels = torch.zeros(1, 3, dtype=torch.long)
    prior = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    at_prior = prior.log().view(1, 3, 1).expand(1, 3, 3)
    assert entropy_regularization(at_prior, labels, class_prior=prior).abs() < 1e-12
    logits = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    entropy_regularization(logits, labels, class_prior=prior).backward()
    assert (logits.grad[:, 0] < 0).all()
    assert (logits.grad[:, 2] > 0).all()


def test_gradcheck():
    logits, labels = batch()
    logits.requires_grad_()
    prior = torch.tensor([0.6, 0.2, 0.15, 0.05], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: entropy_regularization(z, labels, class_prior=prior), (logits,)
    )


def test_all_ignored_is_zero_and_attached():
    logits = torch.randn(1, 3, 4, requires_grad=True)
    loss = entropy_regularization(logits, torch.full((1, 4), 255))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_nan_passes_through():
    logits, labels = batch()
    logits[1, 0, 0, 0] = math.nan
    assert entropy_regularization(logits, labels).isnan()


def test_extreme_logits_stay_finite():
    logits = torch.zeros(1, 4, 8)
    logits[:, 0] = 1e4
    logits.requires_grad_()
    loss = entropy_regularization(logits, torch.zeros(1, 8, dtype=torch.long))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(4), rel=1e-4)
    assert logits.grad.isfinite().all()


def test_prior_of_the_wrong_length_is_named():
    logits, labels = batch()
    with pytest.raises(ValueError, match=r"class_prior must have 4 entries.*got shape \(3,\)"):
        entropy_regularization(logits, labels, class_prior=torch.ones(3) / 3)
