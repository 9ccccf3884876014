"""What a config, the disk and the device show to be wrong is found before anything is built."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from anl_seg.config import add_anl_schedule, enable_amp, load_config, mmseg_config
from anl_seg.config.check import check_lengths, check_testing, check_training
from anl_seg.config.check_data import check_loaders, check_samples
from anl_seg.config.check_parts import check_parts
from anl_seg.config.options import options_last

QUICKSTART = Path(__file__).parents[2] / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"
BASE = load_config(str(QUICKSTART))
LOSS = "model.decode_head.loss_decode"


@pytest.fixture
def cfg(tmp_path):
    found = copy.deepcopy(BASE)
    found.work_dir = str(tmp_path / "run")
    return found


def test_what_is_right_passes_and_has_its_folder(cfg):
    check_training(cfg)
    check_testing(cfg)
    assert Path(cfg.work_dir).is_dir()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {f"{LOSS}.type": "anl_seg.GCELoss", f"{LOSS}.p": 0.7},
            TypeError,
            "know 'p'.*are: q, reduction",
        ),
        (
            {f"{LOSS}.type": "anl_seg.GCELoss", f"{LOSS}.q": "x"},
            TypeError,
            "q of GCELoss must be a number",
        ),
        (
            {f"{LOSS}.class_weight": [1, 2]},
            ValueError,
            r"decode_head.loss_decode.*2 entries.*6 classes",
        ),
        (
            {"val_evaluator.iou_metrics": ["mIuO"]},
            KeyError,
            "unknown iou_metrics 'mIuO'. Did you mean mIoU",
        ),
        (
            {"val_evaluator.type": "IuoMetric"},
            KeyError,
            "unknown metric 'IuoMetric'. Did you mean IoUMetric",
        ),
        ({"val_dataloader": None}, ValueError, "the config has no val_dataloader"),
        ({"train_dataloader": None}, ValueError, "the config has no train_dataloader"),
        ({"load_from": "no.pth", "resume": True}, FileNotFoundError, r"to go on from at 'no.pth'"),
        (
            {"val_dataloader.dataset.data_root": "nowhere"},
            FileNotFoundError,
            r"no 'nowhere', which val_dataloader.dataset.data_root \(SyntheticShapesDataset\) names",
        ),
        ({"launcher": "pytorch"}, ValueError, "--launcher pytorch starts a process per GPU"),
        ({"model": None}, ValueError, "the config has no model"),
        ({"train_cfg.max_iter": 2}, TypeError, "know 'max_iter'.*Did you mean max_iters"),
        ({"train_cfg.type": "EpochBasedTrainLoop"}, TypeError, "train_cfg.*know 'max_iters'"),
        ({"train_cfg.max_iters": 0}, ValueError, "max_iters must be .*got 0"),
        ({"train_cfg.val_interval": 0}, ValueError, "val_interval must be .*got 0"),
        ({"train_dataloader.batch_size": 0}, ValueError, "batch_size must be .*got 0"),
        ({"val_dataloader.num_workers": 0}, ValueError, "persistent_workers=False too"),
        ({"train_dataloader.sampler": None}, ValueError, "train_dataloader has no sampler"),
        ({"randomness.seed": -1}, ValueError, "randomness.seed must be .*got -1"),
        ({"optim_wrapper.optmizer.lr": 1}, TypeError, "Did you mean optimizer"),
        ({"optim_wrapper.optimizer.lrr": 1}, TypeError, "optimizer: Adam does not know 'lrr'"),
        ({"model.decode_head.foo": 1}, TypeError, "decode_head: FCNHead does not know 'foo'"),
        ({"model.backbone.type": "UNett"}, KeyError, "backbone: unknown type 'UNett'.*UNet"),
        ({"train_dataloader.dataset.lenth": 1}, TypeError, "Did you mean length"),
        ({"train_dataloader.dataset.pipeline.1.key": 1}, TypeError, "pipeline.1: PackSegInputs"),
        (
            {"default_hooks.logger.intervall": 1},
            TypeError,
            "logger: LoggerHook .*Did you mean interval",
        ),
        ({"custom_hooks": [dict(tpye="EMAHook")]}, ValueError, "custom_hooks.0 has no type"),
        ({"custom_hooks": [dict(type="EMAHook", momentm=0.1)]}, TypeError, "mean momentum"),
        ({"custom_hooks": [dict(type="EMAHook", priority="HI")]}, ValueError, "HIGHEST.*'HI'"),
    ],
)
def test_is_refused_in_a_sentence_and_leaves_no_folder(cfg, options, error, text):
    with options_last(cfg, options):
        pass
    with pytest.raises(error, match=text):
        check_training(cfg)
    assert not Path(cfg.work_dir).exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"custom_hooks": dict(type="EMAHook")}, "custom_hooks must be a list"),
        ({LOSS: "[1"}, r"decode_head.loss_decode must be a dict; got '\[1'"),
        ({"train_dataloader.dataset.pipeline": "x"}, "dataset.pipeline must be a list; got 'x'"),
        ({"train_dataloader.dataset.pipeline": ["x"]}, "pipeline.0 must be a dict; got 'x'"),
    ],
)
def test_something_else_in_the_place_of_a_section_is_named(cfg, options, text):
    with pytest.raises(ValueError, match=text), options_last(cfg, options):
        pass


def test_configs_of_mmseg_have_nothing_unknown_in_them():
    root = Path(mmseg_config("_base_/default_runtime.py")).parents[1]
    found = sorted(root.glob("[!_]*/*.py"))[7::75]
    assert len(found) >= 8
    for path in found:
        cfg = load_config(str(path))
        check_parts(cfg, "train", "val", "test")
        check_loaders(cfg, "train", "val", "test")
        check_lengths(cfg)


def test_parameters_that_a_class_gives_to_something_else_are_left_alone(cfg):
    cfg.model.backbone = dict(type="TIMMBackbone", model_name="x", out_indices=(0, 1))
    cfg.val_evaluator.keep_results = True
    check_parts(cfg, "train", "val")


def _folder(root):
    for name in ("img/a.jpg", "img/b.jpg", "mask/a.png", "mask/b.png", "names.txt", "none.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("a\n" if name == "names.txt" else "")
    return dict(
        type="BaseSegDataset",
        data_root=str(root),
        data_prefix=dict(img_path="img", seg_map_path="mask"),
        metainfo=dict(classes=("a", "b")),
        pipeline=[dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")],
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        ({"ann_file": "names.txt"}, None),
        ({"ann_file": "none.txt"}, "none.txt'.*is empty"),
        ({"ann_file": "names.txt", "img_suffix": ".png"}, "no '.*a.png', of which .*ann_file"),
        ({"img_suffix": ".png"}, "no file in .* ends in '.png'.*such as '..jpg'"),
        ({"seg_map_suffix": "_m.png"}, "no '.*_m.png', the mask of ..jpg"),
        ({"data_prefix": dict(img_path="img")}, "data_prefix has no seg_map_path"),
        ({"data_prefix": dict(img_path="img"), "pipeline": []}, None),
    ],
)
def test_a_folder_without_what_the_data_set_looks_for(tmp_path, changes, text):
    cfg = Config(dict(train_dataloader=dict(dataset={**_folder(tmp_path), **changes})))
    if text is None:
        check_samples(cfg, "train")
        return
    with pytest.raises((FileNotFoundError, ValueError), match=text):
        check_samples(cfg, "train")


def test_the_schedule_needs_a_loss_that_has_it(cfg):
    with pytest.raises(ValueError, match=r"'ce_share'.*CELoss: loss_weight.*ANLCELoss"):
        check_training(add_anl_schedule(cfg))
    cfg.model.decode_head.loss_decode.type = "anl_seg.ANLCELoss"
    check_training(cfg)


def test_mixed_precision_and_launchers_without_a_gpu(cfg, monkeypatch):
    with pytest.raises(ValueError, match=r"mixed precision .*needs a GPU"):
        check_training(enable_amp(cfg))
    monkeypatch.setattr("anl_seg.config.check.get_device", lambda: "cuda")
    check_training(cfg)
    monkeypatch.delenv("RANK", raising=False)
    cfg.launcher = "pytorch"
    with pytest.raises(ValueError, match=r"RANK is not set.*torchrun"):
        check_training(cfg)


def test_a_folder_that_cannot_be_made(cfg, tmp_path):
    (tmp_path / "file").write_text("")
    cfg.work_dir = str(tmp_path / "file" / "run")
    with pytest.raises(ValueError, match="cannot be made"):
        check_training(cfg)


def test_a_schedule_by_epochs_needs_epochs(cfg):
    cfg.model.decode_head.loss_decode.type = "anl_seg.ANLCELoss"
    schedule = [dict(parameter="loss_weight", at={0: 1.0, 1: 0.5})]
    cfg.custom_hooks = [dict(type="anl_seg.LossScheduleHook", by_epoch=True, schedule=schedule)]
    with pytest.raises(ValueError, match="counts epochs"):
        check_training(cfg)


def test_a_config_without_an_optimizer_has_no_mixed_precision(cfg):
    cfg.optim_wrapper = None
    with pytest.raises(ValueError, match="no optim_wrapper"):
        enable_amp(cfg)
