from __future__ import annotations

import pytest
from mmengine.config import Config

from anl_seg.config import load_config, replace_losses

LOSS = dict(type="ANLCELoss", alpha=5, beta=2)
CE = dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0)


def config(loss, auxiliary=None, **head):
    model = dict(decode_head=dict(type="FCNHead", num_classes=4, loss_decode=loss, **head))
    if auxiliary is not None:
        model["auxiliary_head"] = auxiliary
    return Config(dict(model=model))


def new(weight, **more):
    return dict(type="anl_seg.ANLCELoss", alpha=5, beta=2, loss_weight=weight, **more)


def test_decode_and_auxiliary_heads_keep_their_weights():
    auxiliary = [
        dict(type="FCNHead", loss_decode={**CE, "loss_weight": 0.4}),
        dict(type="FCNHead", loss_decode=[{**CE, "loss_weight": 0.2}]),
    ]
    cfg = config(CE, auxiliary)
    assert replace_losses(cfg, {**LOSS, "loss_weight": 2.0}) is cfg
    assert cfg.model.decode_head.loss_decode.to_dict() == new(2.0)
    assert cfg.model.auxiliary_head[0].loss_decode.to_dict() == new(0.8)
    assert cfg.model.auxiliary_head[1].loss_decode[0].to_dict() == new(0.4)


def test_class_weights_stay_unless_given():
    cfg = config({**CE, "class_weight": [1, 2, 3, 4]})
    replace_losses(cfg, LOSS)
    assert cfg.model.decode_head.loss_decode.to_dict() == new(1.0, class_weight=[1, 2, 3, 4])
    replace_losses(cfg, {**LOSS, "class_weight": [1, 1, 1, 2]})
    assert cfg.model.decode_head.loss_decode.class_weight == [1, 1, 1, 2]


def test_cascade_of_decode_heads():
    heads = [dict(type="FCNHead", loss_decode=CE), dict(type="OCRHead", loss_decode=CE)]
    cfg = replace_losses(Config(dict(model=dict(decode_head=heads))), LOSS)
    assert [h.loss_decode.type for h in cfg.model.decode_head] == ["anl_seg.ANLCELoss"] * 2


def test_a_sigmoid_is_kept_except_in_a_binary_head():
    sigmoid = {**CE, "use_sigmoid": True}
    with pytest.raises(ValueError, match="no loss to replace"):
        replace_losses(config(sigmoid), LOSS)
    cfg = config(sigmoid, out_channels=1)
    cfg.model.decode_head.num_classes = 2
    replace_losses(cfg, LOSS)
    assert cfg.model.decode_head.loss_decode.type == "anl_seg.ANLCELoss"


def test_region_losses_are_kept_beside_and_replaced_alone():
    dice = dict(type="DiceLoss", loss_weight=3.0)
    cfg = replace_losses(config([CE, dice]), LOSS)
    assert [x.type for x in cfg.model.decode_head.loss_decode] == ["anl_seg.ANLCELoss", "DiceLoss"]
    cfg = replace_losses(config(dice), LOSS)
    assert cfg.model.decode_head.loss_decode.to_dict() == new(3.0)


def test_losses_of_this_package_are_replaced_too():
    cfg = replace_losses(config(dict(type="anl_seg.MAELoss")), LOSS)
    assert cfg.model.decode_head.loss_decode.type == "anl_seg.ANLCELoss"


def test_pidnet_keeps_its_boundary_loss_in_place():
    cfg = load_config("mmseg::pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py")
    replace_losses(cfg, LOSS)
    found = [(x.type, x.loss_weight) for x in cfg.model.decode_head.loss_decode]
    assert found == [
        ("anl_seg.ANLCELoss", 0.4),
        ("anl_seg.ANLCELoss", 1.0),
        ("BoundaryLoss", 20.0),
        ("anl_seg.ANLCELoss", 1.0),
    ]


def test_heads_without_loss_decode_are_named():
    cfg = load_config("mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py")
    before = cfg.pretty_text
    with pytest.raises(ValueError, match=r"no loss to replace.*decode_head: Mask2FormerHead"):
        replace_losses(cfg, LOSS)
    assert cfg.pretty_text == before


@pytest.mark.parametrize(
    ("loss", "error", "text"),
    [
        (dict(type="ANLLoss"), KeyError, "Did you mean ANL"),
        (dict(alpha=1), ValueError, "needs a 'type'"),
        (dict(type="ANLCELoss", min_prob=1.0), ValueError, "min_prob"),
        (dict(type="ANLCELoss", alhpa=1.0), TypeError, "alhpa"),
    ],
)
def test_a_wrong_loss_changes_nothing(loss, error, text):
    cfg = config(CE)
    before = cfg.pretty_text
    with pytest.raises(error, match=text):
        replace_losses(cfg, loss)
    assert cfg.pretty_text == before
