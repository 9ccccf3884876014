from __future__ import annotations

from functools import partial

import pytest
import torch

from anl_seg.functional.negative_learning import negative_learning
from anl_seg.models.losses.negative_learning import NLNLLoss
from tests.models.loss_contract import (  # noqa: F401  (the contract, run on this loss)
    Build,
    batch,
    test_all_ignored_batch_is_zero_and_attached,
    test_in_mmsegs_heads_with_and_without_ohem,
    test_points_and_binary_heads,
    test_precision_inside_and_outside_of_autocast,
    test_reductions_equal_the_function,
    test_weights_enter_numerator_and_denominator,
)


@pytest.fixture
def build():
    return Build("NLNLLoss", dict(complementary="all"))


@pytest.fixture
def pixels():
    return partial(negative_learning, complementary="all")


@pytest.mark.parametrize("stage", ["sel_nl", "sel_pl"])
def test_mean_is_over_the_selected_pixels(batch, stage):  # noqa: F811
    loss = NLNLLoss(complementary="all", class_weight=[0.5, 1.0, 2.0, 4.0])
    loss.stage = stage
    pixels = negative_learning(*batch, stage=stage, complementary="all")
    kept = pixels != 0
    w = loss.class_weight[batch[1][kept]]
    torch.testing.assert_close(loss(*batch), (w * pixels[kept]).sum() / w.sum())
    assert 0 < kept.sum() < (batch[1] != 255).sum()


def test_no_selected_pixel_gives_zero_attached(batch):  # noqa: F811
    logits = torch.zeros_like(batch[0]).requires_grad_()
    loss = NLNLLoss(stage="sel_pl")(logits, batch[1])
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_a_schedule_sets_stage_and_gamma(batch):  # noqa: F811
    loss = NLNLLoss()
    loss.stage, loss.gamma = "sel_pl", 0.7
    pixels = negative_learning(*batch, stage="sel_pl", gamma=0.7)
    torch.testing.assert_close(loss(*batch, reduction_override="none"), pixels)
    assert "stage='sel_pl'" in repr(loss)
    with pytest.raises(ValueError, match="stage must be one of"):
        loss.stage = "NL"
    with pytest.raises(ValueError, match="gamma must lie in"):
        loss.gamma = 1
    assert (loss.stage, loss.gamma) == ("sel_pl", 0.7)


def test_random_draws_follow_torchs_seed(batch):  # noqa: F811
    loss = NLNLLoss()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = loss(*batch), loss(*batch)
        torch.manual_seed(0)
        assert loss(*batch) == first
    assert first != second


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match="complementary must be"):
        NLNLLoss(complementary=0.5)
