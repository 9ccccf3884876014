from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS

from anl_seg.config import enable_amp, load_config


@pytest.mark.parametrize(
    ("plain", "mixed"),
    [
        ("OptimWrapper", "AmpOptimWrapper"),
        ("anl_seg.L1OptimWrapper", "anl_seg.L1AmpOptimWrapper"),
    ],
)
def test_exchanges_the_wrapper_for_its_twin(plain, mixed):
    cfg = Config(dict(optim_wrapper=dict(type=plain, optimizer=dict(type="SGD", lr=0.1))))
    assert enable_amp(cfg) is cfg
    assert cfg.optim_wrapper.to_dict() == dict(
        type=mixed, optimizer=dict(type="SGD", lr=0.1), loss_scale="dynamic"
    )
    assert issubclass(OPTIM_WRAPPERS.get(mixed), OPTIM_WRAPPERS.get("AmpOptimWrapper"))


def test_keeps_what_a_stock_config_sets():
    cfg = load_config("mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py")
    before = cfg.optim_wrapper.to_dict()
    enable_amp(cfg)
    assert cfg.optim_wrapper.to_dict() == {
        **before,
        "type": "AmpOptimWrapper",
        "loss_scale": "dynamic",
    }


def test_a_wrapper_without_a_type_is_mmengines_default():
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1))))
    assert enable_amp(cfg).optim_wrapper.type == "AmpOptimWrapper"


def test_a_scale_that_is_set_stays():
    cfg = Config(dict(optim_wrapper=dict(type="OptimWrapper", loss_scale=512.0)))
    assert enable_amp(cfg).optim_wrapper.loss_scale == 512.0


@pytest.mark.parametrize("kind", ["AmpOptimWrapper", "anl_seg.L1AmpOptimWrapper"])
def test_a_mixed_wrapper_stays_as_it_is(kind):
    cfg = Config(dict(optim_wrapper=dict(type=kind)))
    enable_amp(enable_amp(cfg))
    assert cfg.optim_wrapper.to_dict() == dict(type=kind)


def test_refuses_an_unknown_wrapper_and_changes_nothing():
    cfg = Config(dict(optim_wrapper=dict(type="MyWrapper")))
    with pytest.raises(ValueError, match="no mixed precision for MyWrapper"):
        enable_amp(cfg)
    assert cfg.optim_wrapper.to_dict() == dict(type="MyWrapper")
