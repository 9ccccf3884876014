"""``logit_clip``, an option of every loss: the loss of the clipped logits, in both forms."""

from __future__ import annotations

import pytest
import torch

from anl_seg.engine.hooks.fused_upsample_hook import _loss_obstacle
from anl_seg.functional import clip_logits
from anl_seg.models.losses import ActiveNegativeLoss, ANLCELoss, MAELoss, NoiseRobustDiceLoss


def batch(channels=4):
    generator = torch.Generator().manual_seed(0)
    logits = 8 * torch.randn(2, channels, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, max(channels, 2), (2, 5, 6), generator=generator)
    labels[0, 0] = 255
    return logits, labels


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("loss", "params"),
    [
        (MAELoss, {}),
        (MAELoss, {"kernels": "reference"}),
        (ANLCELoss, {"entropy_weight": 2.0}),
        (ANLCELoss, {"entropy_weight": 2.0, "kernels": "reference"}),
        (NoiseRobustDiceLoss, {}),
    ],
)
def test_is_the_loss_of_the_clipped_logits(loss, params, reduction, channels):
    logits, labels = batch(channels)
    value = loss(logit_clip=3.0, **params)(logits, labels, reduction_override=reduction)
    expected = loss(**params)(clip_logits(logits, 3.0), labels, reduction_override=reduction)
    torch.testing.assert_close(value, expected)
    plain = loss(**params)(logits, labels, reduction_override=reduction)
    assert (value - plain).abs().max() > 1e-4


def test_the_head_is_not_served_by_the_fused_resizing():
    assert "logit_clip" in _loss_obstacle(ANLCELoss(logit_clip=4.0))
    assert _loss_obstacle(ANLCELoss()) is None


def test_wrong_values_are_named():
    with pytest.raises(ValueError, match="logit_clip must be a positive number or None; got 0"):
        MAELoss(logit_clip=0)
    with pytest.raises(ValueError, match="logit_clip belongs to the combined loss"):
        ActiveNegativeLoss(active={"type": "NCELoss", "logit_clip": 3.0})
