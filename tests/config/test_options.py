"""``--cfg-options`` have the last word over what a tool's own arguments do."""

from __future__ import annotations

import logging
import re
import sys

import pytest
from mmengine.config import Config

from anl_seg.config import add_anl_schedule, inject_noise, replace_losses
from anl_seg.config.options import options_last

MODULE = sys.modules["anl_seg.config.options"]
CE = dict(type="CrossEntropyLoss", use_sigmoid=False)
LOSS = "model.decode_head.loss_decode"
PIPELINE = "train_dataloader.dataset.pipeline"


def config(**head):
    steps = ["LoadImageFromFile", "LoadAnnotations", "RandomFlip", "RandomFlip", "PackSegInputs"]
    return Config(
        dict(
            model=dict(
                data_preprocessor=dict(type="SegDataPreProcessor"),
                decode_head=dict(type="FCNHead", **{"num_classes": 4, "loss_decode": CE, **head}),
                auxiliary_head=[dict(type="FCNHead", num_classes=4, loss_decode=[CE])],
            ),
            train_dataloader=dict(
                dataset=dict(type="ADE20KDataset", pipeline=[dict(type=step) for step in steps])
            ),
        )
    )


def changed(cfg, options):
    with options_last(cfg, options):
        replace_losses(cfg, dict(type="ANLCELoss", loss_weight=2.0))
        inject_noise(cfg, dict(type="SymmetricNoise", rate=0.4), keep_clean=True)
        add_anl_schedule(cfg)
    return cfg


def test_options_for_what_the_arguments_put_in_are_kept():
    cfg = changed(
        config(),
        {
            f"{LOSS}.min_prob": 0.1,
            f"{LOSS}.loss_weight": 0.5,
            "model.auxiliary_head.0.loss_decode.0.alpha": 3,
            f"{PIPELINE}.2.noise.rate": 0.2,
            "custom_hooks.1.momentum": 0.5,
        },
    )
    assert cfg.model.decode_head.loss_decode == dict(
        type="anl_seg.ANLCELoss", loss_weight=0.5, min_prob=0.1
    )
    assert cfg.model.auxiliary_head[0].loss_decode[0].alpha == 3
    assert cfg.train_dataloader.dataset.pipeline[2].noise.rate == 0.2
    assert cfg.custom_hooks[1].momentum == 0.5


def test_an_option_for_the_loss_of_a_head_that_names_none():
    cfg = config(loss_decode=None)
    del cfg.model.decode_head["loss_decode"]
    assert changed(cfg, {f"{LOSS}.min_prob": 0.1}).model.decode_head.loss_decode.min_prob == 0.1


def test_positions_in_a_list_are_those_of_the_config_file():
    steps = changed(config(), {f"{PIPELINE}.3.prob": 0.9}).train_dataloader.dataset.pipeline
    assert [step.get("prob") for step in steps] == [None, None, None, None, 0.9, None]


def test_what_the_arguments_build_on_an_option_stays():
    options = {
        "model.data_preprocessor.type": "SegDataPreProcessor",
        "custom_hooks": [dict(type="CheckInvalidLossHook")],
    }
    cfg = changed(config(), options)
    assert cfg.model.data_preprocessor.type == "anl_seg.NoisySegDataPreProcessor"
    assert cfg.custom_hooks[0].type == "CheckInvalidLossHook"
    assert len(cfg.custom_hooks) == 3


def test_options_that_name_nothing_are_new_settings_with_a_word_on_likely_misspellings(monkeypatch):
    said = []
    monkeypatch.setattr(
        MODULE, "print_log", lambda text, logger, level=logging.INFO: said.append(text)
    )
    cfg = config()
    options = {
        "train_cgf.max_iters": 3,
        "train_dataloader.datset.data_root": "x",
        "model.backbone.init_cfg.checkpoint": "x",  # new, and like nothing that is there
        "resume": True,
        "model.decode_head.dropout_ratio": 0.1,
    }
    with options_last(cfg, options):
        pass
    assert cfg.train_cgf.max_iters == 3
    first, second = said
    assert re.search("has no 'train_cgf'.*Did you mean train_cfg", first)
    assert re.search("train_dataloader has no 'datset'.*Did you mean dataset", second)
    wrong = {
        f"{PIPELINE}.9.prob": (KeyError, "Index 9"),
        f"{PIPELINE}.2": (ValueError, "of a list"),
    }
    for name, (error, text) in wrong.items():
        with pytest.raises(error, match=text), options_last(config(), {name: 1}):
            pass


def test_an_option_changes_the_hook_that_an_argument_leaves_as_it_is():
    cfg = add_anl_schedule(config())
    with options_last(cfg, {"custom_hooks.1.momentum": 0.1}):
        add_anl_schedule(cfg)
    assert [hook["type"] for hook in cfg.custom_hooks] == ["anl_seg.LossScheduleHook", "EMAHook"]
    assert cfg.custom_hooks[1].momentum == 0.1
