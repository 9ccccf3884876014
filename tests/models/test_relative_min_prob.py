"""A flip point as a share of 1 / C: the same loss as with the number itself, in both forms."""

from __future__ import annotations

import pytest
import torch

from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.models.losses import ANLCELoss, ANLFLLoss, NNCELoss, NNFLLoss

LOSSES = [NNCELoss, NNFLLoss, ANLCELoss, ANLFLLoss]


def batch(num_classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if num_classes == 2 else num_classes
    logits = 4 * torch.randn(2, channels, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, num_classes, (2, 5, 6), generator=generator)
    labels[0, 0] = 255
    return logits, labels


@pytest.mark.parametrize("kernels", ["reference", "fused"])
@pytest.mark.parametrize("num_classes", [2, 4, 43])
@pytest.mark.parametrize("loss", LOSSES)
def test_is_the_share_over_the_number_of_classes(loss, num_classes, kernels):
    logits, labels = batch(num_classes)
    relative = loss(relative_min_prob=0.3, kernels=kernels)
    absolute = loss(min_prob=0.3 / num_classes, kernels=kernels)
    values, grads = [], []
    for module in (relative, absolute):
        z = logits.clone().requires_grad_()
        value = module(z, labels)
        value.backward()
        values.append(value.detach())
        grads.append(z.grad)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*grads)
    paper = loss(min_prob=1e-7, kernels=kernels)(logits, labels)
    assert abs(values[0] - paper) > 1e-3


def test_in_the_fused_resizing():
    logits, labels = batch(4)
    big = torch.nn.functional.interpolate(labels[:, None].double(), scale_factor=2)[:, 0].long()
    results = [
        upsampled_pixel_loss(logits, big, torch.ones(big.shape, dtype=logits.dtype), terms).total
        for terms in (
            ANLCELoss(relative_min_prob=0.4).kernel_terms(),
            ANLCELoss(min_prob=0.1).kernel_terms(),
        )
    ]
    torch.testing.assert_close(*results)


def test_the_entropy_term_keeps_its_own_clamp():
    """A flip point within reach of the prediction must not cut rare classes out of the entropy term."""
    logits, labels = batch(4)
    logits[:, 3] -= 6.0  # a class with p of about 1e-3
    for kernels in ("reference", "fused"):
        terms = []
        for flip in ({"min_prob": 0.1}, {"relative_min_prob": 0.4}, {"min_prob": 1e-7}):
            z = logits.clone().requires_grad_()
            parts = [
                ANLCELoss(alpha=0, beta=0, entropy_weight=w, kernels=kernels, **flip)(z, labels)
                for w in (1.0, 0.0)
            ]
            terms.append(parts[0] - parts[1])
            (grad,) = torch.autograd.grad(terms[-1], z)
            assert (grad[:, 3].abs().max()) > 1e-6
        torch.testing.assert_close(terms[0], terms[2])
        torch.testing.assert_close(terms[1], terms[2])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 2])
def test_out_of_range(loss, value):
    with pytest.raises(ValueError, match=r"share of 1 / C, must lie in \(0, 1\).*got"):
        loss(relative_min_prob=value)
