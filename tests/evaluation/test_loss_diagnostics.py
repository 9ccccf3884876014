"""Gradient, probability and logits by class, against the formulas."""

from __future__ import annotations

import math

import pytest
import torch

from anl_seg.evaluation import loss_diagnostics
from anl_seg.evaluation.loss_diagnostics import flat_below
from anl_seg.models.losses import ANLCELoss, CELoss, MAELoss, NormalizedNegativeLoss

C = 4


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, C, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C - 1, (2, 5, 6), generator=generator)  # no pixel of class 3
    labels[0, :2] = 255
    return logits, labels


def test_against_the_formulas(batch):
    logits, labels = batch
    out = loss_diagnostics(MAELoss(), logits, labels)
    valid = labels != 255
    p = logits.softmax(1)
    total = int(valid.sum())
    size = 0.0
    sizes = []
    for k in range(C):
        mine = labels == k
        u = p[:, k][mine]
        if k == 3:
            assert out["pull"][k] is out["prob"][k] is out["gradient"][k] is None
            assert out["pixels"][k] == 0
            continue
        assert out["pixels"][k] == pytest.approx(int(mine.sum()) / total)
        assert out["prob"][k] == pytest.approx(u.mean().item())
        # MAE: dL / dz_y = -u (1 - u) and dL / dz_k = u p_k, so the L1 norm is 2 u (1 - u).
        pull = u * (1 - u)
        assert out["pull"][k] == pytest.approx(pull.mean().item())
        sizes.append(2 * pull.sum().item())
        size += sizes[-1]
    assert out["gradient"][:3] == pytest.approx([s / size for s in sizes])
    assert out["flat"] == [None] * C
    mass = [p[:, k][valid].mean().item() for k in range(C)]
    assert out["mass"] == pytest.approx(mass)
    centred = (logits - logits.mean(1, keepdim=True)).norm(dim=1)[valid].mean().item()
    assert out["logit_scale"] == pytest.approx(centred)


def test_pixels_can_be_grouped_by_the_clean_label(batch):
    logits, labels = batch
    clean = torch.where(labels == 255, 255, (labels + 1) % C)
    out = loss_diagnostics(CELoss(), logits, labels, groups=clean)
    p = logits.softmax(1)
    for k in range(C):
        mine = (clean == k) & (labels != 255)
        if not mine.any():
            assert out["pull"][k] is None
            continue
        # The loss pulls the label up, and the clean class, which here is another, down.
        assert out["pull"][k] == pytest.approx(-p[:, k][mine].mean().item())
        assert out["prob"][k] == pytest.approx(p[:, k][mine].mean().item())


def test_the_flat_share_is_of_pixels_below_min_prob():
    logits = torch.tensor([[[0.0, 0.0, -8.0, -1.0]], [[0.0, 2.0, 0.0, 0.0]]]).permute(1, 0, 2)
    labels = torch.zeros(1, 4, dtype=torch.long)
    loss = ANLCELoss(min_prob=1e-3)
    assert flat_below(loss, C) == 1e-3
    assert flat_below(CELoss(), C) is None
    assert flat_below(NormalizedNegativeLoss(base={"type": "CELoss"}, min_prob=1e-2), C) == 1e-2
    assert flat_below(ANLCELoss(relative_min_prob=0.4), C) == 0.1
    assert 1 / (1 + math.exp(8)) < 1e-3 < 1 / (1 + math.exp(2))
    assert loss_diagnostics(loss, logits, labels)["flat"] == [0.25, None]


def test_leaves_logits_and_gradients_alone(batch):
    logits, labels = batch
    logits = logits.clone().requires_grad_()
    loss_diagnostics(CELoss(), logits, labels)
    assert logits.grad is None


def test_one_channel_is_a_binary_head():
    logits = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(1)).double()
    labels = torch.randint(0, 2, (2, 3, 3), generator=torch.Generator().manual_seed(2))
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    one, both = (loss_diagnostics(CELoss(), z, labels) for z in (logits, two))
    for key in ("pixels", "gradient", "pull", "prob", "mass"):
        assert one[key] == pytest.approx(both[key])


def test_nothing_valid(batch):
    logits, labels = batch
    out = loss_diagnostics(CELoss(), logits, torch.full_like(labels, 255))
    assert out["pull"] == [None] * C
    assert out["logit_scale"] == 0
