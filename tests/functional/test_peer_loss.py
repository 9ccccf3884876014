from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional.peer_loss import peer_loss
from tests.functional.test_properties import (  # noqa: F401  (the contract, run on this loss)
    C,
    batch,
    gradient,
    test_all_ignored_is_zero_and_attached,
    test_any_number_of_spatial_dimensions,
    test_bad_shapes_and_types_are_named,
    test_dtypes,
    test_extreme_logits_stay_finite,
    test_gradcheck,
    test_ignored_pixels_change_nothing,
    test_inputs_are_left_intact,
    test_label_out_of_range_is_named,
    test_nan_logits_pass_through,
    test_one_channel_is_a_binary_head,
    test_options_are_keywords_and_documented,
    test_permuting_classes_permutes_gradients,
)


@pytest.fixture
def loss_function():
    loss = partial(peer_loss, alpha=0.7, pairing="expected")
    loss.__name__ = "peer_loss_expected"
    return loss


def direct(logits, target, alpha):
    """Every pixel paired with the label of every pixel."""
    log_p = torch.log(torch.softmax(logits, dim=1)).movedim(1, -1).reshape(-1, C)
    labels = target.flatten()
    pairs = -log_p.clamp(min=math.log(1e-7))[:, labels]  # (prediction, label)
    own = -log_p[torch.arange(len(labels)), labels]
    return (own - alpha * pairs.mean(dim=1)).reshape(target.shape)


@pytest.mark.parametrize("scale", [1.0, 6.0])  # 6: some probabilities lie below the clamp
def test_expected_equals_all_pairs(batch, scale):  # noqa: F811
    logits, labels = scale * batch[0], batch[1]
    ours = partial(peer_loss, alpha=0.7, pairing="expected")
    slow = partial(direct, alpha=0.7)
    torch.testing.assert_close(ours(logits, labels), slow(logits, labels))
    torch.testing.assert_close(gradient(ours, logits, labels), gradient(slow, logits, labels))


def test_mean_of_random_pairs_is_the_expected_one(batch):  # noqa: F811
    logits, labels = batch
    generator = torch.Generator().manual_seed(0)
    labels = torch.where(torch.rand(labels.shape, generator=generator) < 0.3, 255, labels)
    draws = torch.stack([peer_loss(logits, labels, generator=generator) for _ in range(2000)])
    expected = peer_loss(logits, labels, pairing="expected")
    error = draws.std(dim=0) / math.sqrt(len(draws))
    assert ((draws.mean(dim=0) - expected).abs() <= 5 * error + 1e-12).all()


def test_random_pairs_use_only_labels_of_valid_pixels(batch):  # noqa: F811
    logits, labels = batch
    labels = torch.where(labels < 3, labels, 255)
    log_p = torch.log_softmax(logits, dim=1)
    own = cross_entropy(logits, labels)
    for seed in range(10):
        loss = peer_loss(logits, labels, generator=torch.Generator().manual_seed(seed))
        hits = ((loss - own).unsqueeze(1) - log_p[:, :3]).abs() < 1e-9
        assert hits.any(dim=1)[labels != 255].all()
        assert (loss[labels == 255] == 0).all()


def test_random_pairs_repeat_with_the_generator(batch):  # noqa: F811
    first, again, other = (
        peer_loss(*batch, generator=torch.Generator().manual_seed(s)) for s in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_random_pairs_of_an_all_ignored_batch_are_zero(batch):  # noqa: F811
    logits = batch[0].clone().requires_grad_()
    loss = peer_loss(logits, torch.full_like(batch[1], 255))
    loss.sum().backward()
    assert (loss == 0).all()
    assert (logits.grad == 0).all()
    assert peer_loss(torch.zeros(0, 3, 4), torch.zeros(0, 4, dtype=torch.long)).shape == (0, 4)


def test_alpha_zero_is_cross_entropy_and_the_loss_has_a_lower_bound(batch):  # noqa: F811
    for pairing in ("random", "expected"):
        loss = peer_loss(*batch, alpha=0.0, pairing=pairing)
        torch.testing.assert_close(loss, cross_entropy(*batch))
        loss = peer_loss(1e4 * batch[0], batch[1], alpha=2.0, pairing=pairing)
        assert loss.min() >= 2 * math.log(1e-7)


def test_wrong_parameters_are_named(batch):  # noqa: F811
    for params, text in [
        (dict(alpha=-1.0), "alpha must be a finite number, 0 or more; got -1"),
        (dict(alpha=math.inf), "alpha must be a finite number"),
        (dict(pairing="all"), "pairing must be one of random, expected; got 'all'"),
        (dict(min_prob=0.0), "min_prob must lie in"),
    ]:
        with pytest.raises(ValueError, match=text):
            peer_loss(*batch, **params)
