"""``ce_share`` of the active negative losses: a cross entropy that can fade."""

from __future__ import annotations

import pytest
import torch

from anl_seg.models.losses import ActiveNegativeLoss, ANLCELoss, ANLFLLoss, CELoss


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
    found = value_and_gradient(loss(ce_share=share, entropy_weight=0.5, kernels=kernels), batch)
    ce = value_and_gradient(CELoss(mass_balance=loss().mass_balance), batch)
    anl = value_and_gradient(loss(), batch)
    # The entropy term is not mixed.
    both = value_and_gradient(loss(entropy_weight=0.5), batch)
    for i in range(2):
        expected = share * ce[i] + (1 - share) * anl[i] + (both[i] - anl[i])
        torch.testing.assert_close(found[i], expected)


def test_wrong_values_are_named():
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"ce_share must lie in \[0, 1\]; got"):
            ActiveNegativeLoss(ce_share=value)
