"""``mass_balance``, an option of every loss: its weights times all others, in both forms."""

from __future__ import annotations

import pytest
import torch

from anl_seg.functional import mass_balance
from anl_seg.models.losses import ActiveNegativeLoss, ANLCELoss, MAELoss, NoiseRobustDiceLoss
from tests.models.test_logit_clip import batch


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("loss", "params"),
    [
        (MAELoss, {}),
        (MAELoss, {"kernels": "reference"}),
        (ANLCELoss, {"entropy_weight": 2.0}),
        (NoiseRobustDiceLoss, {}),
    ],
)
def test_is_the_loss_with_these_weights(loss, params, reduction, channels):
    logits, labels = batch(channels)
    given = torch.rand(
        labels.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    value = loss(mass_balance=0.7, **params)(
        logits, labels, weight=given, reduction_override=reduction
    )
    weight = given * mass_balance(logits, labels, 0.7)
    expected = loss(mass_balance=0.0, **params)(
        logits, labels, weight=weight, reduction_override=reduction
    )
    torch.testing.assert_close(value, expected)


def test_the_weights_are_constants_in_the_gradient():
    logits, labels = batch()
    logits.requires_grad_()
    (grad,) = torch.autograd.grad(MAELoss(mass_balance=1.0)(logits, labels), logits)
    weight = mass_balance(logits, labels)
    (expected,) = torch.autograd.grad(MAELoss()(logits, labels, weight=weight), logits)
    torch.testing.assert_close(grad, expected)


def test_wrong_values_are_named():
    with pytest.raises(ValueError, match=r"mass_balance must lie in \[0, 1\]; got 2"):
        MAELoss(mass_balance=2)
    with pytest.raises(ValueError, match="active: mass_balance belongs to the combined loss"):
        ActiveNegativeLoss(active={"type": "NCELoss", "mass_balance": 1.0})
