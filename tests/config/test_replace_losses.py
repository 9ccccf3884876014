from __future__ import annotations

import logging
import sys
from importlib.util import find_spec

import pytest
from mmengine.config import Config

from anl_seg.config import load_config, replace_losses
from anl_seg.config._walk import as_list

# The package exports the function under the module's name.
MODULE = sys.modules["anl_seg.config.replace_losses"]
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


@pytest.mark.parametrize(
    ("old", "words"),
    [
        (
            dict(CE, use_sigmoid=True, class_weight=[1, 2, 3, 4]),
            ["class_weight of CrossEntropyLoss in decode_head"],
        ),
        (dict(type="FocalLoss", class_weight=[1, 2, 3, 4]), ["class_weight of FocalLoss"]),
        (dict(type="TverskyLoss", class_weight="w.npy"), ["class_weight of TverskyLoss"]),
        (
            dict(type="LovaszLoss", class_weight=[1, 2, 3, 4], reduction="none"),
            ["class_weight of LovaszLoss", "reduction='none'"],
        ),
        (dict(type="anl_seg.NoiseRobustDiceLoss", class_weight=[1, 2, 3, 4]), ["class_weight"]),
        (dict(type="OhemCrossEntropy", ignore_label=9), ["ignore_label=9 of OhemCrossEntropy"]),
        (dict(CE, reduction="sum"), ["reduction='sum'"]),
        (dict(CE, avg_non_ignore=True, loss_name="loss_ce"), []),
    ],
)
def test_settings_of_another_meaning_are_not_taken_over_and_said(monkeypatch, old, words):
    said = []
    monkeypatch.setattr(
        MODULE, "print_log", lambda text, logger, level=logging.INFO: said.append((level, text))
    )
    cfg = replace_losses(config(old), LOSS)
    assert cfg.model.decode_head.loss_decode.to_dict() == new(1.0)
    warnings = [text for level, text in said if level == logging.WARNING]
    assert len(warnings) == bool(words)
    assert all(word in warnings[0] for word in words)
    # Weights that the new loss has of its own leave nothing to say.
    said.clear()
    replace_losses(config(old), {**LOSS, "class_weight": [1, 1, 1, 2]})
    assert not any("class_weight" in text for _, text in said)


def test_weights_in_the_base_of_an_adaptive_loss():
    base = dict(type="GCELoss", q=0.5, loss_weight=0.5, class_weight=[1, 2, 3, 4])
    adaptive = dict(type="anl_seg.AdaptiveLoss", base=base, parameters=dict(q=(0.05, 1.0)))
    cfg = replace_losses(config(adaptive), LOSS)
    assert cfg.model.decode_head.loss_decode.to_dict() == new(0.5, class_weight=[1, 2, 3, 4])
    cfg = replace_losses(config(dict(CE, loss_weight=3.0)), adaptive)
    assert cfg.model.decode_head.loss_decode.base.loss_weight == 1.5
    assert "loss_weight" not in cfg.model.decode_head.loss_decode


def test_cascade_of_decode_heads():
    heads = [dict(type="FCNHead", loss_decode=CE), dict(type="OCRHead", loss_decode=CE)]
    cfg = replace_losses(Config(dict(model=dict(decode_head=heads))), LOSS)
    assert [h.loss_decode.type for h in cfg.model.decode_head] == ["anl_seg.ANLCELoss"] * 2


def test_a_sigmoid_is_kept_beside_others_except_in_a_binary_head():
    both = [{**CE, "use_sigmoid": True}, dict(type="DiceLoss")]
    with pytest.raises(ValueError, match="no loss to replace"):
        replace_losses(config(both), LOSS)
    cfg = config(both, out_channels=1)
    cfg.model.decode_head.num_classes = 2
    replace_losses(cfg, LOSS)
    assert [x.type for x in cfg.model.decode_head.loss_decode] == ["anl_seg.ANLCELoss", "DiceLoss"]


def test_a_sigmoid_alone_is_the_segmentation_loss():
    """As in Fast-SCNN: one against the rest, over the classes."""
    cfg = replace_losses(
        load_config("mmseg::fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py"), LOSS
    )
    heads = [cfg.model.decode_head, *cfg.model.auxiliary_head]
    assert [h.loss_decode.type for h in heads] == ["anl_seg.ANLCELoss"] * 3
    assert [h.loss_decode.loss_weight for h in heads] == [1, 0.4, 0.4]


def test_stdc_keeps_the_losses_of_its_boundary_head():
    cfg = replace_losses(load_config("mmseg::stdc/stdc1_4xb12-80k_cityscapes-512x1024.py"), LOSS)
    losses = [as_list(head.loss_decode) for head in cfg.model.auxiliary_head]
    assert [[x.type for x in head] for head in losses] == [
        ["anl_seg.ANLCELoss"],
        ["anl_seg.ANLCELoss"],
        ["CrossEntropyLoss", "DiceLoss"],
    ]


def test_k_net_has_its_losses_in_an_inner_head():
    path = "mmseg::knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512.py"
    cfg = replace_losses(load_config(path), LOSS)
    assert cfg.model.decode_head.kernel_generate_head.loss_decode.type == "anl_seg.ANLCELoss"
    assert "loss_decode" not in cfg.model.decode_head
    assert cfg.model.auxiliary_head.loss_decode.type == "anl_seg.ANLCELoss"


def test_a_head_that_names_no_loss_has_that_of_its_class():
    cfg = config(CE, [dict(type="FCNHead"), dict(type="VPDDepthHead")])
    replace_losses(cfg, LOSS)
    assert cfg.model.auxiliary_head[0].loss_decode.to_dict() == new(1.0)
    assert "loss_decode" not in cfg.model.auxiliary_head[1]  # regresses


def test_the_name_by_which_side_adapter_knows_its_class_loss_stays():
    cfg = config([{**CE, "loss_name": "loss_cls_ce"}, {**CE, "use_sigmoid": True}])
    replace_losses(cfg, LOSS)
    assert cfg.model.decode_head.loss_decode[0].to_dict() == new(1.0, loss_name="loss_cls_ce")


def test_the_weights_of_side_adapter_count_no_object_as_a_class():
    loss = {**CE, "loss_name": "loss_cls_ce", "class_weight": [1.0] * 19 + [0.1]}
    cfg = config([loss])
    cfg.model.decode_head.update(type="SideAdapterCLIPHead", num_classes=19)
    replace_losses(cfg, LOSS)
    assert len(cfg.model.decode_head.loss_decode[0].class_weight) == 20


def test_ohem_stays_and_is_warned_of_once(monkeypatch):
    sampler = dict(type="OHEMPixelSampler", min_kept=10)
    cfg = config(CE, dict(type="FCNHead", loss_decode=CE, sampler=sampler), sampler=sampler)
    said = []
    monkeypatch.setattr(
        MODULE,
        "print_log",
        lambda text, logger, level=logging.INFO: said.append((level, text)),
    )
    replace_losses(cfg, LOSS)
    assert cfg.model.decode_head.sampler == sampler
    (warning,) = [text for level, text in said if level == logging.WARNING]
    assert "OHEM sampler of decode_head, auxiliary_head" in warning
    assert "these are the noisiest" in warning


def test_ohem_cross_entropy_is_replaced_with_a_word(monkeypatch):
    said = []
    monkeypatch.setattr(MODULE, "print_log", lambda text, logger: said.append(text))
    ohem = dict(type="OhemCrossEntropy", thres=0.9, min_kept=10)
    replace_losses(config([ohem, ohem]), LOSS)
    assert "OhemCrossEntropy in decode_head mined hard pixels" in said[1]


def test_region_losses_are_kept_beside_and_replaced_alone():
    dice = dict(type="DiceLoss", loss_weight=3.0)
    cfg = replace_losses(config([CE, dice]), LOSS)
    assert [x.type for x in cfg.model.decode_head.loss_decode] == ["anl_seg.ANLCELoss", "DiceLoss"]
    cfg = replace_losses(config(dice), LOSS)
    assert cfg.model.decode_head.loss_decode.to_dict() == new(3.0)


@pytest.mark.parametrize(
    "old",
    [
        dict(type="anl_seg.MAELoss"),
        dict(type="anl_seg.NoiseRobustDiceLoss"),
        dict(
            type="anl_seg.AdaptiveLoss",
            base=dict(type="GCELoss", q=0.5),
            parameters=dict(q=(0.05, 1.0)),
        ),
    ],
    ids=lambda old: old["type"],
)
def test_losses_of_this_package_are_replaced_too(old):
    cfg = replace_losses(config(old), LOSS)
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


@pytest.mark.skipif(find_spec("mmdet") is not None, reason="mmdet is installed")
def test_mask_classification_without_mmdet_is_a_sentence():
    cfg = load_config("mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py")
    before = cfg.pretty_text
    text = r"no loss to replace: decode_head: Mask2FormerHead .* mmdet is not installed"
    with pytest.raises(ValueError, match=text):
        replace_losses(cfg, LOSS)
    assert cfg.pretty_text == before


def test_mask_classification_has_its_class_loss_replaced(monkeypatch):
    monkeypatch.setattr(MODULE, "find_spec", lambda name: name)
    path = "mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py"
    cfg = load_config(path)
    old = cfg.model.decode_head.loss_cls.class_weight
    head = replace_losses(cfg, LOSS).model.decode_head
    assert head.loss_cls.to_dict() == new(2.0, class_weight=old)
    assert head.loss_mask.type == "mmdet.CrossEntropyLoss"
    # What decides which query takes which mask stays, and with it the matching.
    assert head.train_cfg == load_config(path).model.decode_head.train_cfg
    costs = [cost.type for cost in head.train_cfg.assigner.match_costs]
    assert costs[0] == "mmdet.ClassificationCost"


def test_heads_without_loss_decode_are_named():
    cfg = load_config("mmseg::vpd/vpd_sd_4xb8-25k_nyu-512x512.py")
    with pytest.raises(ValueError, match=r"no loss to replace.*decode_head: VPDDepthHead"):
        replace_losses(cfg, LOSS)


@pytest.mark.parametrize(
    ("loss", "error", "text"),
    [
        (dict(type="ANLLoss"), KeyError, "Did you mean ANL"),
        (dict(alpha=1), ValueError, "needs a 'type'"),
        (dict(type="ANLCELoss", min_prob=1.0), ValueError, "min_prob"),
        (dict(type="ANLCELoss", alhpa=1.0), TypeError, "does not know 'alhpa'.*Did you mean alpha"),
        (
            dict(type="GCELoss", p=0.7),
            TypeError,
            "does not know 'p'; its parameters are: q, reduction",
        ),
        (dict(type="ANLCELoss", active=dict(type="NCELoss")), TypeError, "does not know 'active'"),
        (
            dict(type="ActivePassiveLoss", active=dict(type="NCELoss", x=1)),
            TypeError,
            "NCELoss does.*'x'",
        ),
        (dict(type="ForwardCorrectionLoss"), TypeError, "needs 'matrix'"),
        (dict(type="AdaptiveLoss"), TypeError, "needs 'base', 'parameters'"),
        (dict(type="GCELoss", q="abc"), TypeError, "q of GCELoss must be a number; got 'abc'"),
        (dict(type="CELoss", avg_non_ignore="no"), TypeError, "must be True or False; got 'no'"),
        (
            dict(type="CELoss", class_weight=[1, 2]),
            ValueError,
            "CELoss in decode_head.*2 entries.*4 classes",
        ),
        (
            dict(type="ForwardCorrectionLoss", matrix=[[1, 0], [0, 1]]),
            ValueError,
            r"\(4, 4\).*got \(2, 2\)",
        ),
        (dict(type="TLoss"), ValueError, "published for two classes"),
        (dict(type="CELoss", use_sigmoid=True), ValueError, "one output channel"),
        (dict(type="NoisySegDataPreProcessor"), ValueError, "is no loss"),
    ],
)
def test_a_wrong_loss_changes_nothing(loss, error, text):
    cfg = config(CE)
    before = cfg.pretty_text
    with pytest.raises(error, match=text):
        replace_losses(cfg, loss)
    assert cfg.pretty_text == before
