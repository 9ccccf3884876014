"""Comparisons of configs of every kind: what is planned, and what is refused before a training starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anl_seg.config import load_config
from anl_seg.study import experiments_of, plan_runs
from anl_seg.study.known_metrics import check_metric, known_metrics

QUICKSTART = str(
    Path(__file__).parents[2] / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"
)
NOISE = "SymmetricNoise:rate=0.5"
EPOCHS = (
    "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=3, val_interval={})\n"
)


@pytest.fixture
def plan(tmp_path):
    """Plans runs of the quickstart config with these lines added."""

    def build(lines="", *options, **kwargs):
        path = tmp_path / "unet_ce_tiny.py"
        path.write_text(f"_base_ = [{QUICKSTART!r}]\n{lines}\n")
        losses = kwargs.pop("losses", [])
        experiments = experiments_of([str(path)], losses)
        return plan_runs(experiments, [NOISE], [0], tmp_path / "runs", options=options, **kwargs)

    return build


def _log(run, *lines):
    path = run.folder / "20260101_000000" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_config_that_trains_by_epochs_is_planned_and_followed_by_epochs(plan):
    for interval in (1, 5):  # mmengine validates at the end in any case
        (run,) = plan(EPOCHS.format(interval))
        assert (run.max_iters, run.max_epochs, run.length) == (None, 3, 3)
    assert run.done() == 0
    _log(run, {"loss": 1.0, "iter": 40, "epoch": 1, "step": 40}, {"mIoU": 50.0, "step": 2})
    assert run.done() == 1
    (run,) = plan("", "train_cfg.max_iters=7", "train_cfg.dynamic_intervals=[(4,1)]")
    assert (run.max_iters, run.length) == (7, 7)
    _log(run, {"loss": 1.0, "iter": 3, "step": 3})
    assert run.done() == 3


def test_cfg_options_have_the_last_word_and_are_part_of_the_configuration(plan):
    (plain,) = plan(losses=["GCELoss:q=0.7"])
    option = "model.decode_head.loss_decode.q=0.4"
    (run,) = plan("", option, losses=["GCELoss:q=0.7"])
    assert run.command()[-2:] == ["randomness.seed=0", option]
    assert run.digest != plain.digest


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        ("val_dataloader = val_evaluator = val_cfg = None", [], "compares by validation"),
        ("", ["train_cfg.val_begin=900"], "val_begin=900, after training has ended"),
        ("train_cfg = dict(_delete_=True, by_epoch=True)", [], "neither train_cfg.max_iters nor"),
        ("train_cfg = None", [], "neither train_cfg.max_iters nor"),
        ("train_cfg = dict(max_epochs=3)", [], "both max_iters and max_epochs"),
        ("", ["train_cfg.type=EpochBasedTrainLoop"], "give max_epochs"),
        ("", ["train_cfg.max_iters=0"], "max_iters must be an integer >= 1; got 0"),
        ("", ["train_cfg.max_iters=many"], "max_iters must be an integer >= 1; got 'many'"),
        ("", ["randomness.seed=5"], "randomness.seed: each run has its own; give --seeds"),
        ("", ["work_dir=here"], "each run has its own; give --work-dir"),
        ("", ["resume=True"], "each run has its own; a run goes on from its own checkpoint"),
        ("", ["optim_wrapper"], "takes key=value; got 'optim_wrapper'"),
        ("", ["a.b=[1,(2]"], "Imbalanced brackets"),
        ("model = dict(decode_head=dict(type='NoSuchHead', loss_decode=None))", [], "no loss to"),
        ("train_dataloader = None", [], "no train_dataloader"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused_before_any_training(plan, lines, options, words):
    with pytest.raises(ValueError, match=words):
        plan(lines, *options, losses=["MAELoss"])


def test_misspelled_options_seeds_and_noisy_validation_are_refused(plan, tmp_path):
    with pytest.raises(KeyError, match=r"unknown setting 'trian_cfg'\. Did you mean train_cfg"):
        plan("", "trian_cfg.max_iters=5")
    with pytest.raises(ValueError, match="a seed must be an integer of at least 0, got -1"):
        plan_runs(experiments_of([QUICKSTART]), [NOISE], [-1], tmp_path)
    noisy = (
        "val_dataloader = dict(dataset=dict(pipeline=[dict(type='anl_seg.LoadSyntheticShapes'), "
        "dict(type='anl_seg.CorruptMask', noise=dict(type='PairNoise', rate=0.1), num_classes=6), "
        "dict(type='PackSegInputs')]))"
    )
    with pytest.raises(ValueError, match="masks of val_dataloader are corrupted"):
        plan(noisy)
    assert plan(noisy, allow_noisy_eval=True)


def test_a_folder_with_a_run_of_another_configuration_is_refused_before_it_has_finished(plan):
    (run,) = plan()
    run.folder.mkdir(parents=True)
    run.started_file.write_text(json.dumps({"digest": run.digest}))
    assert not run.is_finished()
    (other,) = plan("", "train_cfg.max_iters=7")
    with pytest.raises(ValueError, match="holds a run of another configuration"):
        other.is_finished()
    for text in ("", "{}", "[]", "null"):
        run.finished_file.write_text(text)
        with pytest.raises(ValueError, match=r"finished\.json cannot be read"):
            run.is_finished()


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
