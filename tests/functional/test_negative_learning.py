from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.negative_learning import negative_learning, selected
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


@pytest.fixture(params=["nl", "sel_nl", "sel_pl"])
def loss_function(request):
    loss = partial(negative_learning, stage=request.param, complementary="all")
    loss.__name__ = f"negative_learning_{request.param}"
    return loss


def direct(logits, target, stage):
    """One-hot complementary labels, all of them; the selection by a mask."""
    probs = torch.softmax(logits, dim=1)
    label = torch.nn.functional.one_hot(target, C).movedim(-1, 1).to(logits)
    own = (label * probs).sum(dim=1)
    if stage == "sel_pl":
        return -torch.log(own) * (own > 0.5)
    loss = -((1 - label) * torch.log((1 - probs).clamp(min=1e-5))).sum(dim=1) / (C - 1)
    return loss if stage == "nl" else loss * (own > 1 / C)


@pytest.mark.parametrize("stage", ["nl", "sel_nl", "sel_pl"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 6.0])  # 6: some 1 - p lie below the clamp
def test_equals_the_direct_form(batch, stage, scale):  # noqa: F811
    logits, labels = scale * batch[0], batch[1]
    ours = partial(negative_learning, stage=stage, complementary="all")
    slow = partial(direct, stage=stage)
    torch.testing.assert_close(ours(logits, labels), slow(logits, labels))
    torch.testing.assert_close(gradient(ours, logits, labels), gradient(slow, logits, labels))
    own = torch.softmax(logits, dim=1).gather(1, labels.unsqueeze(1)).squeeze(1)
    least = {"nl": -1.0, "sel_nl": 1 / C, "sel_pl": 0.5}[stage]
    assert torch.equal(selected(Pixels(logits, labels), stage, 0.5), own > least)


def test_a_draw_is_one_complementary_label_and_never_the_label(batch):  # noqa: F811
    logits, labels = batch
    possible = -torch.log(1 - torch.softmax(logits, dim=1))
    label = torch.nn.functional.one_hot(labels, C).movedim(-1, 1).bool()
    possible = torch.where(label, math.inf, possible)
    seen = torch.zeros_like(label)
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        loss = negative_learning(logits, labels, generator=generator)
        hit = (possible - loss.unsqueeze(1)).abs() < 1e-9
        assert hit.any(dim=1).all()
        seen |= hit
    assert (seen == ~label).all()


def test_mean_of_the_draws_is_the_loss_over_all_labels(batch):  # noqa: F811
    expected = negative_learning(*batch, complementary="all")
    drawn = negative_learning(
        *batch, complementary=20_000, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(drawn, expected, rtol=0.06, atol=0.02)


def test_draws_repeat_with_the_generator_and_with_torchs_own(batch):  # noqa: F811
    first = negative_learning(*batch, generator=torch.Generator().manual_seed(3))
    again = negative_learning(*batch, generator=torch.Generator().manual_seed(3))
    other = negative_learning(*batch, generator=torch.Generator().manual_seed(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(negative_learning(*batch), first)


def test_two_classes_have_one_complementary_label():
    logits = torch.randn(2, 2, 9, dtype=torch.float64)
    labels = torch.randint(0, 2, (2, 9))
    for complementary in (1, 3, "all"):
        loss = negative_learning(logits, labels, complementary=complementary)
        torch.testing.assert_close(loss, cross_entropy(logits, labels))


def test_sure_of_the_complementary_label_is_clamped():
    logits = torch.tensor([[0.0, 40.0]], requires_grad=True)
    loss = negative_learning(logits, torch.tensor([0]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(-math.log(1e-5))
    assert (logits.grad == 0).all()


def test_wrong_parameters_are_named(batch):  # noqa: F811
    for params, text in [
        (dict(stage="pl"), "stage must be one of nl, sel_nl, sel_pl; got 'pl'"),
        (dict(complementary=0), "complementary must be a whole number of 1 or more.*got 0"),
        (dict(complementary="some"), "complementary must be .*got 'some'"),
        (dict(complementary=True), "complementary must be .*got True"),
        (dict(gamma=1.0), r"gamma must lie in \[0, 1\); got 1.0"),
    ]:
        with pytest.raises(ValueError, match=text):
            negative_learning(*batch, **params)
