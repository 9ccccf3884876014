from __future__ import annotations

import copy

import pytest

from anl_seg.config import load_config
from anl_seg.zoo import shrink_model
from anl_seg.zoo.shrink import input_size


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
