from __future__ import annotations

import math

import pytest
import torch

from anl_seg.functional import clip_logits, mean_absolute_error


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return 5 * torch.randn(40, 6, 3, generator=generator, dtype=torch.float64)


def test_long_ones_get_the_norm_and_short_ones_stay(logits):
    out = clip_logits(logits, 7.0)
    centred = logits - logits.mean(1, keepdim=True)
    norm = centred.norm(dim=1)
    assert (norm < 7).any()
    assert (norm > 7).any()
    for i, j in torch.cartesian_prod(torch.arange(40), torch.arange(3)):
        scale = min(1.0, 7.0 / norm[i, j].item())
        torch.testing.assert_close(out[i, :, j], centred[i, :, j] * scale)
    torch.testing.assert_close(clip_logits(logits + 100.0, 7.0), out)


@pytest.mark.parametrize("num_classes", [2, 4, 43])
@pytest.mark.parametrize("max_norm", [0.5, 4.0])
def test_probabilities_stay_within_the_stated_limits(num_classes, max_norm):
    C = num_classes
    low = 1 / (1 + (C - 1) * math.exp(math.sqrt(2) * max_norm))
    high = 1 / (1 + (C - 1) * math.exp(-max_norm * math.sqrt(C / (C - 1))))
    generator = torch.Generator().manual_seed(1)
    wild = 1e3 * torch.randn(500, C, generator=generator, dtype=torch.float64)
    sure = 1e3 * torch.eye(C, dtype=torch.float64)
    p = clip_logits(torch.cat([wild, sure, -sure]), max_norm).softmax(1)
    assert p.min() >= low * (1 - 1e-9)
    assert p.max() <= high * (1 + 1e-9)
    assert p.max() == pytest.approx(high)  # of a pixel that is sure


def test_a_sure_pixel_still_feels_a_loss_that_dies_with_the_probability():
    logits = torch.tensor([[30.0, 0.0, -5.0]], requires_grad=True)
    labels = torch.tensor([1])
    plain = torch.autograd.grad(mean_absolute_error(logits, labels).sum(), logits)[0]
    clipped = torch.autograd.grad(
        mean_absolute_error(clip_logits(logits, 3.0), labels).sum(), logits
    )[0]
    assert plain.abs().max() < 1e-12
    assert clipped[0, 1] < -1e-4


def test_a_symmetric_loss_stays_symmetric(logits):
    labels = torch.zeros(40, 3, dtype=torch.long)
    total = sum(mean_absolute_error(clip_logits(logits, 2.0), labels + k) for k in range(6))
    torch.testing.assert_close(total, torch.full_like(total, 5.0))


def test_gradient_and_zero_logits():
    generator = torch.Generator().manual_seed(2)
    z = (3 * torch.randn(4, 3, 2, generator=generator, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: clip_logits(x, 2.0), (z,))
    zero = torch.zeros(1, 3, 1, requires_grad=True)
    clip_logits(zero, 2.0).sum().backward()
    assert torch.isfinite(zero.grad).all()


def test_one_channel_and_half_precision():
    z = torch.tensor([[[-9.0, 0.5, 9.0]]]).half()
    out = clip_logits(z, 2.0)
    assert out.dtype == torch.float32
    assert out.shape == (1, 2, 3)
    half = 0.5 * z.float()
    expected = torch.cat([-half, half], 1)
    expected = expected * (2.0 / expected.norm(dim=1, keepdim=True)).clamp(max=1.0)
    torch.testing.assert_close(out, expected)


def test_wrong_norms_are_named(logits):
    for value in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="logit_clip must be a positive number or None; got"):
            clip_logits(logits, value)
