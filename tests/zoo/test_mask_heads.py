"""Heads that classify masks: how mmdet calls a class loss, and that MaskFormer and Mask2Former train."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anl_seg.models.losses import CELoss, GCELoss, NCELoss
from tools.model_zoo.leaf_configs import read_leaf
from tools.model_zoo.train_steps import try_model

NOISE = dict(type="SymmetricNoise", rate=0.4)
CONFIGS = {
    "maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py": "DiceLoss, FocalLoss",
    "mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py": "CrossEntropyLoss, DiceLoss",
}


def per_query(probs: np.ndarray, labels: np.ndarray) -> dict:
    """Losses of each query from their formulas: probabilities (Q, C + 1), labels (Q,)."""
    p = probs[np.arange(len(labels)), labels]
    return {
        CELoss: -np.log(p),
        GCELoss: (1 - p**0.7) / 0.7,
        NCELoss: np.log(p) / np.log(probs).sum(axis=1),
    }


@pytest.mark.parametrize("loss", [CELoss, GCELoss, NCELoss])
def test_called_as_mmdet_calls_a_class_loss(loss):
    """(B * Q, C + 1) scores, (B * Q,) labels and weights, the sum of class weights as denominator."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2 * 7, 5))
    labels = rng.integers(0, 5, size=14)
    labels[0] = 4  # no object
    weights = rng.integers(0, 2, size=14).astype(float)
    class_weight = np.array([1.0, 2.0, 1.0, 0.5, 0.1])
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    factor = class_weight[labels].sum()
    expected = (per_query(probs, labels)[loss] * class_weight[labels] * weights).sum() / factor
    module = loss(class_weight=class_weight.tolist(), loss_weight=2.0)
    found = module(
        torch.from_numpy(scores),
        torch.from_numpy(labels),
        torch.from_numpy(weights),
        avg_factor=torch.tensor(factor),
    )
    assert found.item() == pytest.approx(2.0 * expected, rel=1e-6)


def test_class_weights_without_no_object_are_told():
    scores, labels = torch.zeros(3, 5), torch.tensor([0, 1, 4])
    with pytest.raises(ValueError, match="class_weight has 4 entries, but the model has 5 classes"):
        CELoss(class_weight=[1.0] * 4)(scores, labels, torch.ones(3), avg_factor=3.0)


@pytest.mark.parametrize("path", CONFIGS)
@pytest.mark.parametrize(
    "loss",
    [
        dict(type="ANLCELoss", alpha=5, beta=5),
        dict(type="ForwardCorrectionLoss"),
        dict(type="NoiseRobustDiceLoss"),
    ],
    ids=lambda loss: loss["type"],
)
def test_mask_heads_train(path, loss):
    pytest.importorskip("mmdet")
    leaf = read_leaf(path, NOISE)
    assert leaf.outcome is None
    outcome = try_model(leaf.model, loss, NOISE)
    assert outcome.status == "trains", outcome.traceback or outcome.reason
    assert outcome.kept == CONFIGS[path]


def test_a_loss_for_two_classes_does_not_apply_to_masks():
    pytest.importorskip("mmdet")
    outcome = try_model(read_leaf(next(iter(CONFIGS)), NOISE).model, dict(type="TLoss"), NOISE)
    assert outcome.status == "not applicable"
    assert outcome.reason.startswith("takes two classes")


@pytest.mark.parametrize(
    "path",
    [
        "convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py",
        "poolformer/fpn_poolformer_s12_8xb4-40k_ade20k-512x512.py",
    ],
    ids=lambda path: path.split("/")[0],
)
def test_backbones_of_mmpretrain_train(path):
    pytest.importorskip("mmpretrain")
    outcome = try_model(read_leaf(path, NOISE).model, dict(type="ANLCELoss"), NOISE)
    assert outcome.status == "trains", outcome.traceback or outcome.reason
