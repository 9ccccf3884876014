from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from anl_seg.functional.noise_robust_dice import noise_robust_dice
from anl_seg.models.losses.noise_robust_dice import NoiseRobustDiceLoss
from tests.models.loss_contract import (  # noqa: F401  (the contract, run on this loss)
    Build,
    batch,
    test_all_ignored_batch_is_zero_and_attached,
    test_in_mmsegs_heads_with_and_without_ohem,
    test_points_and_binary_heads,
    test_precision_inside_and_outside_of_autocast,
    test_reductions_equal_the_function,
)

PARAMS = dict(gamma=1.3, epsilon=1e-3)


@pytest.fixture
def build():
    return Build("NoiseRobustDiceLoss", PARAMS)


@pytest.fixture
def pixels():
    return partial(noise_robust_dice, **PARAMS)


@pytest.mark.parametrize("per_image", [False, True])
def test_weights_are_part_of_the_formula(batch, per_image):  # noqa: F811
    logits, labels = batch
    valid = labels != 255
    class_weight = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    w = torch.rand(labels.shape, dtype=torch.float64)
    loss = NoiseRobustDiceLoss(per_image=per_image, class_weight=class_weight.tolist())
    share = noise_robust_dice(
        logits, labels, per_image=per_image, weight=w, class_weight=class_weight
    )
    expected = (w * share)[valid].sum() / w[valid].sum()
    w[0, 0, 0] = math.nan  # at an ignored pixel: it must not spread
    torch.testing.assert_close(loss(logits, labels, w), expected)
    # A mask is as good as ignoring; OHEM's comes as floats.
    mask = torch.rand(labels.shape) < 0.5
    ignored = torch.where(mask, labels, 255)
    torch.testing.assert_close(loss(logits, labels, mask.float()), loss(logits, ignored))
    for reduction in ("none", "mean", "sum"):
        none = loss(logits, labels, torch.zeros_like(w), reduction_override=reduction)
        assert (none == 0).all()


def test_wrong_calls_are_named(batch):  # noqa: F811
    logits, labels = batch
    with pytest.raises(ValueError, match=r"gamma must lie in \[1, 2\]; got 3"):
        NoiseRobustDiceLoss(gamma=3)
    with pytest.raises(ValueError, match="class_weight must have 4 entries"):
        NoiseRobustDiceLoss(class_weight=[1.0] * 3)(logits, labels)
    with pytest.raises(ValueError, match="labels must have shape"):
        NoiseRobustDiceLoss()(logits, labels[..., 0])
    with pytest.raises(ValueError, match="weight must have the shape of the labels"):
        NoiseRobustDiceLoss()(logits, labels, torch.ones(2, 5))
    with pytest.raises(ValueError, match="use_sigmoid=True needs a head"):
        NoiseRobustDiceLoss(use_sigmoid=True)(logits, labels)
    with pytest.raises(ValueError, match="found 9"):
        NoiseRobustDiceLoss()(logits, torch.full_like(labels, 9))


def test_state_dict_stays_empty():
    assert not NoiseRobustDiceLoss(class_weight=[1.0] * 4).state_dict()
