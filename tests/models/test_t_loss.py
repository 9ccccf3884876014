from __future__ import annotations

import math

import pytest
import torch
from mmseg.registry import MODELS

from anl_seg.functional.t_loss import multiclass_t_loss, t_loss
from anl_seg.models.losses.t_loss import MulticlassTLoss, TLoss
from tests.models.loss_contract import (  # noqa: F401  (the contract, run on this loss)
    Build,
    batch,
    test_all_ignored_batch_is_zero_and_attached,
    test_in_mmsegs_heads_with_and_without_ohem,
    test_points_and_binary_heads,
    test_precision_inside_and_outside_of_autocast,
    test_reductions_equal_the_function,
)
from tests.models.test_losses import losses_of, segmentor


@pytest.fixture
def build():
    return Build("MulticlassTLoss", dict(nu=0.5, log_precision=0.0))


@pytest.fixture
def pixels():
    return lambda z, y: multiclass_t_loss(z, y, nu=0.5, log_precision=0.0)


@pytest.mark.parametrize("per_image", [False, True])
def test_weights_are_part_of_the_formula(batch, per_image):  # noqa: F811
    logits, labels = batch
    valid = labels != 255
    class_weight = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    weight = torch.rand(labels.shape, dtype=torch.float64)
    loss = MulticlassTLoss(per_image=per_image, class_weight=class_weight.tolist())
    w = torch.where(valid, weight * class_weight[labels.clamp(max=3)], 0.0)
    share = multiclass_t_loss(logits, labels, per_image=per_image, weight=w)
    weight[0, 0, 0] = math.nan  # at an ignored pixel: it must not spread
    torch.testing.assert_close(loss(logits, labels, weight), (w * share).sum() / w.sum())
    mask = torch.rand(labels.shape) < 0.5
    ignored = torch.where(mask, labels, 255)
    torch.testing.assert_close(loss(logits, labels, mask.float()), loss(logits, ignored))


def test_published_mean_over_images(batch):  # noqa: F811
    logits, labels = batch[0][:, :2], torch.where(batch[1] == 255, 255, batch[1] % 2)
    images = t_loss(logits, labels).flatten(1).sum(dim=1)
    torch.testing.assert_close(TLoss(per_image=True)(logits, labels), images.mean())
    torch.testing.assert_close(TLoss(reduction="sum")(logits, labels), images.sum())


def test_nu_is_learned_saved_and_kept_by_autocast(batch):  # noqa: F811
    loss = MulticlassTLoss(nu=2.0, per_image=True)
    assert list(loss.state_dict()) == ["nu"]
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    first = loss(*batch).item()
    for _ in range(50):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss(*batch).backward()
        optimizer.step()
    assert loss(*batch).item() < first
    assert loss.nu.item() != 2.0
    other = MulticlassTLoss(per_image=True)
    other.load_state_dict(loss.state_dict())
    torch.testing.assert_close(other(*batch), loss(*batch))


def test_binary_in_mmsegs_heads():
    loss = dict(type="anl_seg.TLoss", loss_name="loss_x")
    assert losses_of(segmentor(loss, classes=2), classes=2) == {"decode.loss_x", "aux.loss_x"}
    model = segmentor(
        dict(loss, use_sigmoid=True), classes=2, auxiliary=False, out_channels=1, threshold=0.5
    )
    assert losses_of(model, classes=2) == {"decode.loss_x"}
    assert "decode_head.loss_decode.nu" in dict(model.named_parameters())


def test_wrong_calls_are_named(batch):  # noqa: F811
    with pytest.raises(ValueError, match=r"published for two classes; the logits have 4"):
        TLoss()(*batch)
    with pytest.raises(ValueError, match="nu must be a finite number; got nan"):
        TLoss(nu=math.nan)
    with pytest.raises(ValueError, match="epsilon must be a positive number"):
        MODELS.build(dict(type="anl_seg.TLoss", epsilon=-1.0))
