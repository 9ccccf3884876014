"""Comparisons: planned, trained, reported and drawn, on runs of a few iterations."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from anl_seg.config import load_config
from anl_seg.study import (
    comparison_records,
    comparison_study,
    comparison_table,
    draw_predictions,
    load_study,
    plan_study,
    run_comparison,
)
from anl_seg.study.comparison import read_runs
from anl_seg.study.known_metrics import check_metric, known_metrics
from anl_seg.study.run.state import read_plan
from anl_seg.study.run_record import run_labels

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
NOISE = "SymmetricNoise:rate=0.5"
EPOCHS = (
    "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=3, val_interval={})\n"
)


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """Two configs of six iterations on 16 images, and one that cannot be built."""
    folder = tmp_path_factory.mktemp("configs")
    small = (
        f"_base_ = [{QUICKSTART!r}]\n"
        "train_cfg = dict(max_iters=6, val_interval=3)\n"
        "default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=6))\n"
        "train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, "
        "dataset=dict(length=16))\n"
        "val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(length=8))\n"
    )
    head = "model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='anl_seg.{}')))\n"
    (folder / "unet_ce_tiny.py").write_text(small)
    (folder / "unet_mae_tiny.py").write_text(small + head.format("MAELoss"))
    (folder / "unet_wrong_tiny.py").write_text(small + "model = dict(backbone=dict(depth=3))\n")
    return folder


@pytest.fixture(scope="module")
def paths(configs):
    return [str(configs / f"unet_{name}_tiny.py") for name in ("ce", "mae", "wrong")]


@pytest.fixture(scope="module")
def comparison(paths, tmp_path_factory, starts_training):
    """A comparison of which one run of three fails."""
    study = comparison_study(tmp_path_factory.mktemp("runs") / "comparison.py", paths, [NOISE], [0])
    text = io.StringIO()
    runs, outcome = run_comparison(study, jobs=2, console=Console(file=text, width=120))
    return study, runs, outcome, text.getvalue()


def planned(folder, configs, noises=(NOISE,), seeds=(0,), **settings):
    study = comparison_study(folder / "comparison.py", configs, noises, seeds, **settings)
    return plan_study(study, folder)


def test_configs_are_told_apart_by_what_their_names_do_not_share(paths, tmp_path):
    runs = planned(tmp_path, paths[:2], [NOISE, "PairNoise:rate=0.1"], [0, 1])
    assert len({run.digest for run in runs}) == len(runs) == 8
    assert {run.axes["model"] for run in runs} == {"ce", "mae"}
    assert runs[0].name == f"ce | {NOISE} | seed 0"
    assert runs[0].folder == tmp_path / "runs" / runs[0].digest


def test_losses_are_an_axis(paths, tmp_path):
    losses = ["GCELoss:q=0.5", "GCELoss:q=0.9"]
    runs = planned(tmp_path, paths[:1], losses=losses)
    assert [run.axes["loss"] for run in runs] == losses
    assert [run.name for run in runs] == [f"{loss} | {NOISE} | seed 0" for loss in losses]
    runs = planned(tmp_path, paths[::2], losses=losses)
    labels = run_labels([run.axes for run in runs])
    assert labels == [f"{c} {loss}" for c in ("ce", "wrong") for loss in losses]
    (run,) = planned(tmp_path, paths[:1])
    assert run_labels([run.axes]) == ["unet_ce_tiny"]
    with pytest.raises(ValueError, match=r"ce .* and mae .* the same config"):
        planned(tmp_path, paths[:2], losses=losses)
    with pytest.raises(ValueError, match=r"unknown loss .GCLoss.\. Did you mean GCELoss"):
        planned(tmp_path, paths, losses=["GCLoss"])
    with pytest.raises(ValueError, match="q must lie in"):
        planned(tmp_path, paths, losses=["GCELoss:q=2"])


def test_the_study_file_that_is_written_plans_the_same_runs(comparison):
    study, runs, _, _ = comparison
    again = plan_study(load_study(study.path), study.path.parent)
    assert [run.digest for run in again] == [run.digest for run in runs]
    assert [run["digest"] for run in read_plan(study.path.parent)["runs"]] == [
        run.digest for run in runs
    ]


def test_a_failed_run_is_named_and_stops_no_other(comparison):
    _, runs, outcome, text = comparison
    assert [run.axes["model"] for run in outcome.failed] == ["wrong"]
    assert set(outcome.finished) == set(runs[:2])
    assert "FAILED" in text
    assert "depth" in (runs[2].folder / "output.log").read_text()


def test_finished_runs_are_not_repeated(comparison):
    study, runs, _, _ = comparison
    before = [(run.folder / "state.json").stat().st_mtime_ns for run in runs[:2]]
    model = dict(list(study.models.items())[:2])
    text = io.StringIO()
    _, outcome = run_comparison(replace(study, models=model), console=Console(file=text))
    assert len(outcome.finished) == 2
    assert "start" not in text.getvalue()
    assert [(run.folder / "state.json").stat().st_mtime_ns for run in runs[:2]] == before


def test_table_agrees_with_the_runs(comparison):
    study, runs, _, _ = comparison
    found = read_runs(runs[:2], study.path.parent, "mIoU")
    assert sorted(found[0].validations) == [3, 6]
    records = comparison_records(found, "mIoU")
    assert [record["label"] for record in records] == ["ce", "mae"]
    scalars = next(runs[0].folder.glob("*/vis_data/scalars.json")).read_text().splitlines()
    values = [line["mIoU"] for line in map(json.loads, scalars) if "mIoU" in line]
    assert records[0]["final"] == {"mean": values[-1], "std": 0.0}
    assert records[0]["best"]["mean"] == max(values)
    memorization = json.loads((runs[0].folder / "memorization.json").read_text())
    assert [record["step"] for record in memorization] == [6]
    memorized = 100 * memorization[-1]["memorized_share"]
    assert records[0]["memorized"]["mean"] == pytest.approx(memorized)
    table = comparison_table(records, "mIoU")
    assert len(table.splitlines()) == 4
    assert f"| ce | {values[-1]:.1f} |" in table


def test_what_was_not_measured_is_no_number(comparison):
    study, runs, _, _ = comparison
    (record,) = read_runs(runs[:1], study.path.parent, "mIoU")
    record = replace(record, memorization=[{"step": 6, "memorized_share": None}])
    (row,) = comparison_records([record], "mIoU")
    assert row["memorized"] is None
    assert "| - |" in comparison_table([row], "mIoU")
    with pytest.raises(ValueError, match="no validation with 'mIoU' in runs/"):
        comparison_records([replace(record, validations={})], "mIoU")


def test_picture_shows_masks_and_predictions(comparison, tmp_path):
    import cv2

    runs = comparison[1][:2]
    mark = tmp_path / "mark"
    for run in runs:  # the configs in the folders are not read
        for dumped in run.folder.glob("*/vis_data/config.py"):
            dumped.write_text(f"open({str(mark)!r}, 'w')\n")
    path = draw_predictions(runs, tmp_path / "picture.png", samples=2)
    assert not mark.exists()
    picture = cv2.imread(str(path))
    assert picture.shape[1] > picture.shape[0]  # five columns, two rows
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize(
    ("names", "noises", "seeds", "text"),
    [
        ([], [NOISE], [0], "at least one config"),
        (["ce"], [], [0], "at least one config"),
        (["ce"], ["NoNoise:rate=1"], [0], "unknown noise"),
        (["ce", "ce"], [NOISE], [0], "duplicate runs: 2 configs are called 'unet_ce_tiny'"),
        (["ce"], [NOISE, NOISE], [0], "duplicate runs: axes.noise lists"),
        (["ce"], [NOISE], [0, 0], "have the same configuration"),
        (["ce"], [NOISE], [2**32], "axes.seed must be below"),
        (["ce"], [NOISE], [-1], "axes.seed must be an integer of at least 0, got -1"),
    ],
)
def test_bad_plans_are_refused(configs, tmp_path, names, noises, seeds, text):
    paths = [str(configs / f"unet_{name}_tiny.py") for name in names]
    with pytest.raises(ValueError, match=text):
        planned(tmp_path, paths, noises, seeds)


def test_bad_jobs_are_refused_before_anything_is_written(paths, tmp_path):
    study = comparison_study(tmp_path / "comparison.py", paths[:1], [NOISE], [0])
    with pytest.raises(ValueError, match="jobs must be 1 or more; got 0"):
        run_comparison(study, jobs=0)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def plan(tmp_path):
    """Plans runs of the quickstart config with these lines added."""

    def build(lines="", *options, **kwargs):
        path = tmp_path / "unet_ce_tiny.py"
        path.write_text(f"_base_ = [{QUICKSTART!r}]\n{lines}\n")
        losses = kwargs.pop("losses", [])
        study = comparison_study(
            tmp_path / "x.py", [str(path)], [NOISE], [0], losses=losses, options=options
        )
        return plan_study(study, tmp_path, **kwargs)

    return build


def test_a_config_may_train_by_epochs_or_by_iterations(plan):
    for interval in (1, 5):  # mmengine validates at the end in any case
        (run,) = plan(EPOCHS.format(interval))
        assert (run.max_iters, run.max_epochs) == (None, 3)
    (run,) = plan("", "train_cfg.max_iters=7", "train_cfg.dynamic_intervals=[(4,1)]")
    assert (run.max_iters, run.max_epochs) == (7, None)


def test_cfg_options_have_the_last_word_and_are_part_of_the_configuration(plan):
    (plain,) = plan(losses=["GCELoss:q=0.7"])
    (run,) = plan("", "model.decode_head.loss_decode.q=0.4", losses=["GCELoss:q=0.7"])
    assert run.digest != plain.digest
    assert "'type': 'anl_seg.GCELoss', 'q': 0.4" in run.config


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        ("val_dataloader = val_evaluator = val_cfg = None", [], "compares by validation"),
        ("", ["train_cfg.val_begin=900"], "val_begin=900, after training has ended"),
        ("train_cfg = dict(_delete_=True, by_epoch=True)", [], "neither train_cfg.max_iters nor"),
        ("train_cfg = None", [], "neither train_cfg.max_iters nor"),
        ("train_cfg = dict(max_epochs=3)", [], "both max_iters and max_epochs"),
        ("", ["train_cfg.type=EpochBasedTrainLoop"], "give max_epochs"),
        ("", ["train_cfg.max_iters=0"], "max_iters must be an integer of at least 1, got 0"),
        (
            "",
            ["train_cfg.max_iters=many"],
            "max_iters must be an integer of at least 1, got 'many'",
        ),
        ("", ["randomness.seed=5"], "randomness.seed: each run has its own; give --seeds"),
        ("", ["work_dir=here"], "each run has its own; give --work-dir"),
        ("", ["resume=True"], "each run has its own; a run goes on from its own checkpoint"),
        ("", ["optim_wrapper"], "takes key=value; got 'optim_wrapper'"),
        ("", ["a.b=[1,(2]"], "Imbalanced brackets"),
        ("", ["trian_cfg.max_iters=5"], r"unknown setting 'trian_cfg'\. Did you mean train_cfg"),
        ("", ["model.decode_head.loss_decode.q=5"], "q"),
        ("model = dict(decode_head=dict(type='NoSuchHead', loss_decode=None))", [], "no loss to"),
        ("train_dataloader = None", [], "no train_dataloader"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused_before_any_training(plan, lines, options, words):
    with pytest.raises(ValueError, match=words):
        plan(lines, *options, losses=["MAELoss"])


def test_noisy_validation_is_refused_unless_it_is_meant(plan):
    noisy = (
        "val_dataloader = dict(dataset=dict(pipeline=[dict(type='anl_seg.LoadSyntheticShapes'), "
        "dict(type='anl_seg.CorruptMask', noise=dict(type='PairNoise', rate=0.1), num_classes=6), "
        "dict(type='PackSegInputs')]))"
    )
    with pytest.raises(ValueError, match="masks of val_dataloader are corrupted"):
        plan(noisy)
    assert plan(noisy, allow_noisy_eval=True)


def test_metrics_are_known_before_anything_is_trained():
    cfg = load_config(QUICKSTART)
    noisy = dict(type="anl_seg.NoisyIoUMetric", noise=dict(type="SymmetricNoise", rate=0.3))
    cfg.val_evaluator = [
        cfg.val_evaluator,
        noisy,
        dict(type="anl_seg.CalibrationErrorMetric"),
        dict(type="anl_seg.BoundaryFScoreMetric"),
    ]
    known = known_metrics(cfg)
    assert {"mIoU", "Dice.cross", "noisy/mIoU", "ECE", "mBF.fg", "memorized_share"} <= known
    with pytest.raises(KeyError, match=r"unknown metric 'mIuO'\. Did you mean mIoU"):
        check_metric(cfg, "mIuO")
    # Nothing is said where nothing is known: an evaluator that cannot judge a blank image, or writes.
    for evaluator in (dict(type="NoSuchMetric"), dict(type="IoUMetric", output_dir="nowhere")):
        cfg.val_evaluator = [evaluator]
        check_metric(cfg, "mIuO")
    assert not Path("nowhere").exists()
