"""anl-seg train: stock configs with a robust loss and noise by a flag each, resume, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anl_seg.cli import train

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")

#: Stock configs of mmseg's, and how to shrink their data to 64 x 64.
STOCK = {
    "deeplabv3plus": "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py",
    "upernet": "mmseg::upernet/upernet_r50_4xb4-80k_ade20k-512x512.py",
    "segformer": "mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
}


def shrunk(root):
    pipeline = "train_dataloader.dataset.pipeline"
    return [
        f"train_dataloader.dataset.data_root={root}",
        "train_dataloader.batch_size=2",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        f"{pipeline}.2.scale=(64,64)",
        f"{pipeline}.3.crop_size=(64,64)",
        "model.data_preprocessor.size=(64,64)",
        "model.pretrained=None",
        "model.backbone.init_cfg=None",
        f"val_dataloader.dataset.data_root={root}",
        "val_dataloader.dataset.pipeline.1.scale=(64,64)",
        "val_dataloader.num_workers=0",
        "val_dataloader.persistent_workers=False",
        "default_hooks.logger.interval=1",
        "train_cfg.max_iters=2",
    ]


def run_train(arguments):
    """In a process of its own: mmengine keeps one visualizer, and its folder, per process."""
    command = [sys.executable, "-m", "anl_seg.cli.train", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.mark.training
@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=pytest.mark.smoke if name == "segformer" else ()) for name in STOCK],
)
def test_stock_config_takes_a_step_with_loss_and_noise(family, tiny_ade, tmp_path):
    work_dir = tmp_path / "run"
    arguments = [
        STOCK[family],
        f"--work-dir={work_dir}",
        "--loss=ANLCELoss:alpha=5,beta=5",
        "--noise=SymmetricNoise:rate=0.4",
        "--cfg-options",
        *shrunk(tiny_ade),
    ]
    run_train(arguments)
    scalars = next(work_dir.glob("*/vis_data/scalars.json")).read_text().splitlines()
    lines = [line for line in map(json.loads, scalars) if "loss" in line]
    assert len(lines) == 2
    names = [k for k in lines[-1] if k.endswith("loss_anl_ce")]
    heads = ["decode"] if family == "segformer" else ["decode", "aux"]
    assert sorted(names) == sorted(f"{h}.loss_anl_ce" for h in heads)
    assert all(0 < line[n] < 10 for line in lines for n in names)
    statistics = json.loads((work_dir / "noise_statistics.json").read_text())["datasets"][0]
    assert statistics["noise"] == {"type": "SymmetricNoise", "rate": 0.4}
    assert statistics["statistics"]["changed_share"] == pytest.approx(0.4, abs=0.02)
    environment = json.loads((work_dir / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert (work_dir / Path(STOCK[family]).name).is_file()


def run_quickstart(work_dir, iters, *extra):
    run_train(
        [
            QUICKSTART,
            f"--work-dir={work_dir}",
            "--noise=SymmetricNoise:rate=0.4",
            *extra,
            "--cfg-options",
            f"train_cfg.max_iters={iters}",
            "train_cfg.val_interval=3",
            "default_hooks.checkpoint.interval=3",
            "train_dataloader.dataset.length=16",
            "val_dataloader.dataset.length=8",
            "train_dataloader.batch_size=4",
        ]
    )
    return torch.load(Path(work_dir) / f"iter_{iters}.pth", weights_only=False)["state_dict"]


@pytest.mark.training
@pytest.mark.parametrize("resume", ["--resume", "--resume=CHECKPOINT"])
def test_resumed_run_ends_with_the_same_weights(tmp_path, resume):
    whole = run_quickstart(tmp_path / "whole", 6)
    run_quickstart(tmp_path / "parts", 3)
    checkpoint = tmp_path / "parts" / "iter_3.pth"
    parts = run_quickstart(tmp_path / "parts", 6, resume.replace("CHECKPOINT", str(checkpoint)))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def config_of(*arguments):
    return train.build_config(train.parse_args([QUICKSTART, *arguments]))


def test_resume_argument():
    cfg = config_of()
    assert cfg.resume is False
    assert cfg.load_from is None
    for argument in (["--resume"], ["--resume", "auto"]):
        cfg = config_of(*argument)
        assert cfg.resume is True
        assert cfg.load_from is None
    cfg = config_of("--resume", "some.pth")
    assert cfg.resume is True
    assert cfg.load_from == "some.pth"


def test_anl_schedule():
    cfg = config_of("--loss", "ANLCELoss", "--anl-schedule")
    assert [hook.type for hook in cfg.custom_hooks][:2] == ["anl_seg.LossScheduleHook", "EMAHook"]
    assert cfg.model.decode_head.loss_decode.type == "anl_seg.ANLCELoss"


def test_options_have_the_last_word():
    cfg = config_of(
        "--loss=ANLCELoss",
        "--noise=RandomChoiceNoise:noises=[None,dict(type=SymmetricNoise,rate=0.4)]",
        "--measure-memorization",
        "--anl-schedule",
        "--amp",
        "--work-dir=x",
        "--cfg-options",
        "model.decode_head.loss_decode.min_prob=0.1",
        "train_dataloader.dataset.pipeline.1.noise.noises.1.rate=0.2",
        "custom_hooks.1.momentum=0.5",
        "optim_wrapper.loss_scale=512",
        "work_dir=y",
    )
    assert cfg.model.decode_head.loss_decode.min_prob == 0.1
    measured = cfg.custom_hooks[2].dataloader.dataset.pipeline[1]
    for step in (cfg.train_dataloader.dataset.pipeline[1], measured):
        assert step.noise.noises[1].rate == 0.2
    assert cfg.custom_hooks[1].momentum == 0.5
    assert (cfg.optim_wrapper.type, cfg.optim_wrapper.loss_scale) == ("AmpOptimWrapper", 512)
    assert cfg.work_dir == "y"


def test_amp_and_work_dir():
    assert config_of("--amp").optim_wrapper.type == "AmpOptimWrapper"
    assert config_of().work_dir == "work_dirs/unet-small_480_ce_synthetic-64x64"
    assert config_of("--work-dir", "x").work_dir == "x"


def test_measure_memorization_implies_keep_clean():
    cfg = config_of("--noise=PairNoise:rate=0.2", "--measure-memorization")
    assert [h.type for h in cfg.custom_hooks] == [
        "anl_seg.MemorizationHook",
        "anl_seg.NoiseStatisticsHook",
    ]
    assert cfg.train_dataloader.dataset.pipeline[1].keep_clean is True


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--loss=ANLLoss"], "Did you mean ANL"),
        (["--loss=ANLCELoss:min_prob=2"], "min_prob must lie in (0, 1); got 2"),
        (["--loss=ANLCELoss:alhpa=2"], "alhpa"),
        (["--noise=SymetricNoise:rate=0.2"], "Did you mean SymmetricNoise"),
        (["--noise=SymmetricNoise:rate=1.5"], "1.5"),
        (["--noise=SymmetricNoise"], "rate"),
        (["--noise=SymmetricNoise:rate"], "expected key=value"),
        (["--loss=GCELoss:p=0.7"], "GCELoss does not know 'p'; its parameters are: q"),
        (["--loss=GCELoss", "--anl-schedule"], "go with these"),
        (
            ["--noise=RandomChoiceNoise:noises=[None,dict(type=DilateNoise)]"],
            "DilateNoise needs 'beta'",
        ),
        (["--amp"], "needs a GPU"),
        (["--resume=no.pth"], "no checkpoint to go on from at 'no.pth'"),
        (["--cfg-options", "val_evaluator.iou_metrics=[mIuO]"], "Did you mean mIoU"),
        (["--keep-clean"], "--keep-clean goes with --noise"),
        (["--noise=SymmetricNoise:rate=0.2", "--noise-seed=-1"], "seed must be an integer"),
        (["--loss=CEntropyLoss"], "unknown loss 'CEntropyLoss'. Did you mean"),
        (["--loss=mmseg.DiceLoss:foo=1"], "DiceLoss does not know 'foo'"),
        (["--loss=AdaptiveLoss:base=dict(type=GCELoss),parameters=[q]"], "as a dict of name"),
        (["--work-dir="], "the work dir has no name"),
        (["--noise-seed=1"], "--noise-seed goes with --noise"),
        (["--loss="], "expected 'Type' or 'Type:key=value,...'; got ''"),
        (["--noise="], "expected 'Type' or 'Type:key=value,...'; got ''"),
        (
            [
                "--anl-schedule",
                "--loss=ANLCELoss",
                "--cfg-options",
                "custom_hooks=[dict(type=EMAHook)]",
            ],
            "custom_hooks.0 must be a dict or a hook; got 'dict(type=EMAHook)'",
        ),
        (["--measure-memorization"], "keep_clean=True"),
    ],
)
def test_bad_arguments_end_in_a_sentence(tmp_path, arguments, text):
    with pytest.raises(SystemExit) as stop:
        train.main([QUICKSTART, f"--work-dir={tmp_path / 'run'}", *arguments])
    assert text in str(stop.value)
    assert str(stop.value).startswith("anl-seg train: ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("word", ["model", "=1", "model..x=1", "model.x=(1,2"])
def test_an_option_that_cannot_be_read_is_named(capsys, word):
    with pytest.raises(SystemExit):
        train.parse_args([QUICKSTART, "--cfg-options", "a=1", word])
    assert repr(word) in capsys.readouterr().err


def test_missing_config_is_named():
    with pytest.raises(SystemExit, match=r"no config file at 'nowhere.py'"):
        train.main(["nowhere.py"])
    with pytest.raises(SystemExit, match="unknown mmseg config"):
        train.main(["mmseg::unet/nothing.py"])


def test_corrupted_validation_is_refused_unless_meant(corrupted):
    noisy_validation = corrupted("val_dataloader")
    with pytest.raises(SystemExit, match="masks of val_dataloader are corrupted"):
        train.main([noisy_validation])
    cfg = train.build_config(train.parse_args([noisy_validation, "--allow-noisy-eval"]))
    assert cfg.val_dataloader.dataset.pipeline[1].type == "anl_seg.CorruptMask"
