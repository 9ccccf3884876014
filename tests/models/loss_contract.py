"""mmseg's contract, run on one loss: import these tests beside two fixtures of the loss.

``build(num_classes, **params)`` makes the module; ``pixels(logits, labels)`` is its per-pixel loss. For
losses that cannot join ``LOSSES`` of test_losses.py, because a parameter depends on the classes.
"""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.registry import init_default_scope

from tests.models.test_losses import losses_of, segmentor

C = 4


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, C, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 5, 6), generator=generator)
    labels[0, :2] = 255
    return logits, labels


def test_reductions_equal_the_function(build, pixels, batch):
    loss = build(C, loss_weight=0.5)
    expected = pixels(*batch)
    valid = (batch[1] != 255).sum()
    torch.testing.assert_close(loss(*batch), 0.5 * expected.sum() / valid)
    torch.testing.assert_close(loss(*batch, reduction_override="none"), 0.5 * expected)
    torch.testing.assert_close(loss(*batch, reduction_override="sum"), 0.5 * expected.sum())
    torch.testing.assert_close(loss(*batch, avg_factor=7), 0.5 * expected.sum() / 7)


def test_weights_enter_numerator_and_denominator(build, pixels, batch):
    logits, labels = batch
    class_weight = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    weight = torch.rand(labels.shape, dtype=torch.float64)
    weight[0, 0, 0] = math.nan  # at an ignored pixel: it must not spread
    valid = labels != 255
    w = (class_weight[labels.clamp(max=C - 1)] * weight)[valid]
    loss = build(C, class_weight=class_weight.tolist())
    expected = (w * pixels(*batch)[valid]).sum() / w.sum()
    torch.testing.assert_close(loss(logits, labels, weight), expected)


def test_all_ignored_batch_is_zero_and_attached(build, batch):
    logits = batch[0].clone().requires_grad_()
    for reduction in ("none", "mean", "sum"):
        value = build(C, reduction=reduction)(logits, torch.full_like(batch[1], 255))
        value.sum().backward()
        assert (value == 0).all()
        assert (logits.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_precision_inside_and_outside_of_autocast(build, batch, dtype):
    loss = build(C)
    outside = loss(batch[0].to(dtype), batch[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(batch[0].to(dtype), batch[1])
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert inside.dtype == outside.dtype == expected
    torch.testing.assert_close(inside, outside)


def test_points_and_binary_heads(build, batch):
    logits, labels = batch
    torch.testing.assert_close(
        build(C)(logits.flatten(2), labels.flatten(1)), build(C)(logits, labels)
    )
    binary = torch.where(labels == 255, 255, labels % 2)
    two = torch.cat([torch.zeros_like(logits[:, :1]), logits[:, :1]], 1)
    expected = build(2, class_weight=[1.0, 3.0])(two, binary)
    loss = build(2, use_sigmoid=True, class_weight=[1.0, 3.0])
    torch.testing.assert_close(loss(logits[:, :1], binary), expected)


def test_in_mmsegs_heads_with_and_without_ohem(build):
    init_default_scope("mmseg")
    assert losses_of(segmentor(build.config(C))) == {"decode.loss_x", "aux.loss_x"}
    for sampler in (dict(thresh=0.7, min_kept=50), dict(min_kept=50)):
        model = segmentor(
            build.config(C), auxiliary=False, sampler=dict(type="OHEMPixelSampler", **sampler)
        )
        assert losses_of(model) == {"decode.loss_x"}


class Build:
    """A module of one type, by its config as in mmseg.

    Args:
        name: registered name.
        params: its parameters, or a function of the number of classes that gives them.
    """

    def __init__(self, name, params=None):
        self.name, self.params = name, params if params is not None else {}

    def config(self, num_classes, **kwargs):
        params = self.params(num_classes) if callable(self.params) else self.params
        return dict(type=f"anl_seg.{self.name}", loss_name="loss_x", **params, **kwargs)

    def __call__(self, num_classes, **kwargs):
        from mmseg.registry import MODELS

        init_default_scope("mmseg")
        return MODELS.build(self.config(num_classes, **kwargs))
