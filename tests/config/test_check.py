"""What a config, the disk and the device show to be wrong is found before anything is built."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from anl_seg.config import add_anl_schedule, enable_amp, load_config
from anl_seg.config.check import check_testing, check_training
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
    ],
)
def test_is_refused_in_a_sentence_and_leaves_no_folder(cfg, options, error, text):
    with options_last(cfg, options):
        pass
    with pytest.raises(error, match=text):
        check_training(cfg)
    assert not Path(cfg.work_dir).exists()


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


def test_a_config_without_an_optimizer_has_no_mixed_precision(cfg):
    cfg.optim_wrapper = None
    with pytest.raises(ValueError, match="no optim_wrapper"):
        enable_amp(cfg)
