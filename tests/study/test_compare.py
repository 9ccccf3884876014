"""Plan, launch, collect and report, on runs of a few iterations."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from anl_seg.study import (
    collect_run,
    comparison_records,
    comparison_table,
    draw_predictions,
    experiments_of,
    launch_runs,
    plan_runs,
)

ROOT = Path(__file__).parents[2]
TRAIN = ROOT / "tools" / "train.py"
NOISE = "SymmetricNoise:rate=0.5"


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """Two configs of six iterations on 16 images, and one that cannot be built."""
    folder = tmp_path_factory.mktemp("configs")
    base = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
    small = (
        f"_base_ = [{base!r}]\n"
        "train_cfg = dict(max_iters=6, val_interval=3)\n"
        "default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=6))\n"
        "train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, "
        "dataset=dict(length=16))\n"
        "val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(length=8))\n"
    )
    head = "model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='anl_seg.{}')))\n"
    (folder / "unet_ce_tiny.py").write_text(small)
    (folder / "unet_mae_tiny.py").write_text(small + head.format("MAELoss"))
    (folder / "unet_wrong_tiny.py").write_text(small + head.format("NoSuchLoss"))
    return folder


@pytest.fixture(scope="module")
def comparison(configs, tmp_path_factory, starts_training):
    """A comparison of which one run of three fails."""
    work_dir = tmp_path_factory.mktemp("runs")
    paths = [str(configs / f"unet_{name}_tiny.py") for name in ("ce", "mae", "wrong")]
    runs = plan_runs(experiments_of(paths), [NOISE], [0], work_dir)
    text = io.StringIO()
    failed = launch_runs(runs, TRAIN, jobs=2, console=Console(file=text, width=120))
    return runs, failed, text.getvalue()


def test_labels_and_folders(configs, tmp_path):
    paths = [str(configs / f"unet_{name}_tiny.py") for name in ("ce", "mae")]
    runs = plan_runs(experiments_of(paths), [NOISE, "PairNoise:rate=0.1"], [0, 1], tmp_path)
    assert len(runs) == 8
    assert {run.label for run in runs} == {"ce", "mae"}
    assert runs[0].folder == tmp_path / "SymmetricNoise-rate-0.5" / "ce" / "seed0"
    assert len({run.digest for run in runs}) == 8


def test_losses_are_an_axis(configs, tmp_path):
    paths = [str(configs / f"unet_{name}_tiny.py") for name in ("ce", "mae")]
    losses = ["GCELoss:q=0.5", "GCELoss:q=0.9"]
    runs = plan_runs(experiments_of(paths[:1], losses), [NOISE], [0], tmp_path)
    assert [run.label for run in runs] == losses
    assert runs[0].folder == tmp_path / "SymmetricNoise-rate-0.5" / "GCELoss-q-0.5" / "seed0"
    assert "--loss=GCELoss:q=0.5" in runs[0].command()
    assert runs[0].digest != runs[1].digest
    runs = plan_runs(experiments_of(paths, losses), [NOISE], [0], tmp_path)
    assert [run.label for run in runs] == [f"{c} {x}" for c in ("ce", "mae") for x in losses]
    with pytest.raises(KeyError, match="GCELoss"):
        plan_runs(experiments_of(paths, ["GCLoss"]), [NOISE], [0], tmp_path)
    with pytest.raises(ValueError, match="q must lie in"):
        plan_runs(experiments_of(paths, ["GCELoss:q=2"]), [NOISE], [0], tmp_path)


def test_without_wrong_pixels_nothing_is_memorised(comparison, monkeypatch):
    from anl_seg.study import report

    run = comparison[0][0]
    result = collect_run(run.folder, "mIoU")
    result.memorization["memorized_share"] = None
    monkeypatch.setattr(report, "collect_run", lambda *_: result)
    records = comparison_records([run], "mIoU")
    assert records[0]["memorized"] is None
    assert "| - |" in comparison_table(records, "mIoU")


def test_a_failed_run_is_named_and_stops_no_other(comparison):
    runs, failed, text = comparison
    assert [run.label for run in failed] == ["wrong"]
    assert "FAILED" in text
    log = failed[0].folder / "output.log"
    assert "NoSuchLoss" in log.read_text()
    assert [run.is_finished() for run in runs] == [True, True, False]


def test_finished_runs_are_not_repeated(comparison):
    runs = comparison[0][:2]
    before = [run.finished_file.stat().st_mtime_ns for run in runs]
    text = io.StringIO()
    assert launch_runs(runs, TRAIN, console=Console(file=text)) == []
    assert "2 of 2 runs are finished already" in text.getvalue()
    assert [run.finished_file.stat().st_mtime_ns for run in runs] == before


def test_a_folder_of_another_configuration_is_refused(comparison, configs):
    run = comparison[0][0]
    work_dir = run.folder.parents[2]
    config = configs / "unet_ce_tiny.py"
    text = config.read_text()
    try:
        config.write_text(text.replace("max_iters=6", "max_iters=7"))
        paths = [str(config), str(configs / "unet_mae_tiny.py")]
        with pytest.raises(ValueError, match="finished run of another configuration"):
            launch_runs(plan_runs(experiments_of(paths), [NOISE], [0], work_dir), TRAIN)
    finally:
        config.write_text(text)


def test_table_agrees_with_the_runs(comparison):
    runs = comparison[0][:2]
    records = comparison_records(runs, "mIoU")
    result = collect_run(runs[0].folder, "mIoU")
    assert sorted(result.validations) == [3, 6]
    scalars = next(runs[0].folder.glob("*/vis_data/scalars.json")).read_text().splitlines()
    values = [line["mIoU"] for line in map(json.loads, scalars) if "mIoU" in line]
    assert records[0]["final"] == {"mean": values[-1], "std": 0.0}
    assert records[0]["best"]["mean"] == max(values)
    memorization = json.loads((runs[0].folder / "memorization.json").read_text())[-1]
    assert memorization["step"] == 6
    assert records[0]["memorized"]["mean"] == pytest.approx(100 * memorization["memorized_share"])
    table = comparison_table(records, "mIoU")
    assert len(table.splitlines()) == 4
    assert f"| ce | {values[-1]:.1f} |" in table


def test_picture_shows_masks_and_predictions(comparison, tmp_path):
    import cv2

    mark = tmp_path / "mark"
    for run in comparison[0][:2]:  # the configs in the folders are not read
        for dumped in run.folder.glob("*/vis_data/config.py"):
            dumped.write_text(f"open({str(mark)!r}, 'w')\n")
    path = draw_predictions(comparison[0][:2], tmp_path / "picture.png", samples=2)
    assert not mark.exists()
    picture = cv2.imread(str(path))
    assert picture.shape[1] > picture.shape[0]  # five columns, two rows
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([], [NOISE], [0]), "at least one config"),
        ((["ce"], [], [0]), "at least one config"),
        ((["ce"], ["NoNoise:rate=1"], [0]), "unknown noise"),
        ((["ce", "ce"], [NOISE], [0]), "two runs would share a folder"),
    ],
)
def test_bad_plans_are_refused(configs, tmp_path, arguments, text):
    names, noises, seeds = arguments
    paths = [str(configs / f"unet_{name}_tiny.py") for name in names]
    with pytest.raises(ValueError, match=text):
        plan_runs(experiments_of(paths), noises, seeds, tmp_path)


def test_bad_jobs_are_refused():
    with pytest.raises(ValueError, match="jobs must be 1 or more; got 0"):
        launch_runs([], TRAIN, jobs=0)


def test_run_without_results_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no validation with 'mIoU'"):
        collect_run(tmp_path, "mIoU")
