from __future__ import annotations

import copy

import pytest

from anl_seg.config import load_config
from tools.model_zoo.shrink import input_size, shrink_model, two_classes


def model(path):
    return load_config(f"mmseg::{path}").model.to_dict()


def test_depth_goes_and_channels_stay():
    big = model("fcn/fcn_r101-d8_4xb2-40k_cityscapes-512x1024.py")
    before = copy.deepcopy(big)
    small = shrink_model(big)
    assert big == before
    assert small["backbone"]["depth"] == 50
    assert small["backbone"]["norm_cfg"] == dict(type="BN", requires_grad=True)
    assert "pretrained" not in small
    assert small["data_preprocessor"]["size"] == (64, 64)
    for key in ("in_channels", "channels", "num_classes", "loss_decode"):
        assert small["decode_head"][key] == big["decode_head"][key]


def test_a_basic_block_stays_one():
    small = shrink_model(model("fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py"))
    assert small["backbone"]["depth"] == 18


def test_wrapped_backbones_are_shrunk():
    small = shrink_model(model("bisenetv1/bisenetv1_r101-d32_4xb4-160k_coco-stuff164k-512x512.py"))
    assert small["backbone"]["backbone_cfg"]["depth"] == 50


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "setr/setr_vit-l-mla_8xb1-160k_ade20k-512x512.py",
            dict(num_layers=4, out_indices=[0, 1, 2, 3], img_size=(64, 64), embed_dims=1024),
        ),
        ("segmenter/segmenter_vit-l_mask_8xb1-160k_ade20k-512x512.py", dict(num_layers=2)),
        (
            "swin/swin-large-patch4-window7-in22k-pre_upernet_8xb2-160k_ade20k-512x512.py",
            dict(depths=[2, 1, 1, 1], embed_dims=192),
        ),
        (
            "segformer/segformer_mit-b5_8xb1-160k_cityscapes-1024x1024.py",
            dict(num_layers=[1, 1, 1, 1], embed_dims=64),
        ),
    ],
)
def test_transformers_keep_what_is_read_out(path, expected):
    small = shrink_model(model(path))["backbone"]
    assert {key: small[key] for key in expected} == expected


def test_classes_are_fewer_unless_class_weights_hang_on_them():
    small = shrink_model(model("knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512.py"))
    assert small["decode_head"]["kernel_generate_head"]["num_classes"] == 19
    assert {h["num_classes"] for h in small["decode_head"]["kernel_update_head"]} == {19}
    weighted = dict(num_classes=30, loss_decode=dict(class_weight=[1.0] * 30))
    assert shrink_model(dict(decode_head=weighted))["decode_head"]["num_classes"] == 30


def test_configs_that_differ_in_depth_size_or_schedule_share_a_model():
    a = shrink_model(model("fcn/fcn_r101-d8_4xb2-40k_cityscapes-512x1024.py"))
    b = shrink_model(model("fcn/fcn_r50-d8_4xb2-80k_cityscapes-512x1024.py"))
    assert a == b


def test_lraspp_gets_the_input_that_its_pooling_needs():
    small = shrink_model(
        model("mobilenet_v3/mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024.py")
    )
    assert small["data_preprocessor"]["size"] == (400, 400)
    assert input_size(small) == 400


def test_a_mask_head_gets_fewer_classes_and_layers():
    # The config of Cityscapes can be read without mmdet, those of ADE20K cannot.
    whole = model("mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py")
    big = whole["decode_head"]
    big["num_classes"] = 150
    big["loss_cls"]["class_weight"] = [1.0] * 150 + [0.1]
    head = shrink_model(whole)["decode_head"]
    assert (big["num_classes"], head["num_classes"]) == (150, 19)
    assert head["loss_cls"]["class_weight"] == [1.0] * 19 + [0.1]
    assert head["transformer_decoder"]["num_layers"] == head["num_transformer_feat_level"] == 3
    assert head["pixel_decoder"]["encoder"]["num_layers"] == 1
    for key in ("feat_channels", "num_queries", "train_cfg", "loss_mask", "loss_dice"):
        assert head[key] == big[key]


def test_maskformer_keeps_one_decoder_layer():
    head = shrink_model(model("maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py"))
    assert head["decode_head"]["transformer_decoder"]["num_layers"] == 1


@pytest.mark.parametrize(
    ("backbone", "arch"),
    [
        (
            dict(type="mmpretrain.ConvNeXt", arch="base"),
            dict(depths=[1, 1, 1, 1], channels=[128, 256, 512, 1024]),
        ),
        (
            dict(type="mmpretrain.PoolFormer", arch="m48"),
            dict(layers=[1, 1, 1, 1], embed_dims=[96, 192, 384, 768]),
        ),
    ],
)
def test_architectures_of_mmpretrain_keep_their_channels(backbone, arch):
    assert shrink_model(dict(backbone=backbone))["backbone"]["arch"] == arch


@pytest.mark.parametrize("arch", ["tiny", "small", "base", "large", "xlarge"])
def test_channels_of_convnext_are_those_of_mmpretrain(arch):
    backbones = pytest.importorskip("mmpretrain.models.backbones")
    small = shrink_model(dict(backbone=dict(type="mmpretrain.ConvNeXt", arch=arch)))
    expected = backbones.ConvNeXt.arch_settings[arch]["channels"]
    assert small["backbone"]["arch"]["channels"] == expected


@pytest.mark.parametrize("arch", ["s12", "s24", "s36", "m36", "m48"])
def test_channels_of_poolformer_are_those_of_mmpretrain(arch):
    backbones = pytest.importorskip("mmpretrain.models.backbones")
    small = shrink_model(dict(backbone=dict(type="mmpretrain.PoolFormer", arch=arch)))
    expected = backbones.PoolFormer.arch_settings[arch]["embed_dims"]
    assert small["backbone"]["arch"]["embed_dims"] == expected


def test_two_classes():
    big = dict(
        decode_head=[
            dict(num_classes=19, out_channels=19, loss_decode=dict(class_weight=[1.0] * 19)),
            dict(num_classes=19, out_channels=256, channels=19),
        ]
    )
    before = copy.deepcopy(big)
    assert two_classes(big)["decode_head"] == [
        dict(num_classes=2, out_channels=2, loss_decode={}),
        dict(num_classes=2, out_channels=256, channels=19),
    ]
    assert big == before
