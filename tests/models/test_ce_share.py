"""``ce_share`` of the active negative losses: cross entropy, and Dice beside it, that can fade."""

from __future__ import annotations

import pytest
import torch

from anl_seg.models.losses import (
    ActiveNegativeLoss,
    ANLCELoss,
    ANLFLLoss,
    CELoss,
    NoiseRobustDiceLoss,
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 6), generator=generator)
    labels[0, 0] = 255
    return logits.requires_grad_(), labels


def value_and_gradient(loss, batch):
    value = loss(*batch)
    return value, torch.autograd.grad(value, batch[0])[0]


@pytest.mark.parametrize("kernels", ["fused", "reference"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("loss", [ANLCELoss, ANLFLLoss])
def test_is_the_mixture(batch, loss, share, kernels):
    options = dict(dice_weight=3.0, entropy_weight=0.5, kernels=kernels)
    found = value_and_gradient(loss(ce_share=share, **options), batch)
    ce = value_and_gradient(CELoss(mass_balance=loss().mass_balance), batch)
    dice = value_and_gradient(NoiseRobustDiceLoss(), batch)
    anl = value_and_gradient(loss(), batch)
    # The entropy term is not mixed.
    both = value_and_gradient(loss(entropy_weight=0.5), batch)
    for i in range(2):
        expected = share * (ce[i] + 3.0 * dice[i]) + (1 - share) * anl[i] + (both[i] - anl[i])
        torch.testing.assert_close(found[i], expected)


def test_dice_has_a_place_in_the_sum_and_none_pixel_by_pixel(batch):
    loss = ANLCELoss(ce_share=0.5)
    without = ANLCELoss(ce_share=0.5, dice_weight=0.0)
    pixels = loss(*batch, reduction_override="none")
    torch.testing.assert_close(pixels, without(*batch, reduction_override="none"))
    found = loss(*batch, reduction_override="sum") - without(*batch, reduction_override="sum")
    count = (batch[1] != 255).sum()
    torch.testing.assert_close(found, 0.5 * 5.0 * NoiseRobustDiceLoss()(*batch) * count)
    ignored = torch.full_like(batch[1], 255)
    assert loss(batch[0], ignored).item() == 0.0


def test_of_the_paper_there_is_no_dice():
    assert ANLCELoss(setting="cifar10").dice_weight == 0.0
    assert ANLCELoss(setting="cifar10", dice_weight=2.0).dice_weight == 2.0
    assert ANLCELoss().dice_weight > 0.0


def test_wrong_values_are_named():
    for value in (-0.1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="dice_weight must be 0 or more, and finite; got"):
            ActiveNegativeLoss(dice_weight=value)
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"ce_share must lie in \[0, 1\]; got"):
            ActiveNegativeLoss(ce_share=value)
