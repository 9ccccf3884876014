"""A config file that is none ends in a sentence that names it."""

from __future__ import annotations

import pytest

from anl_seg.config import load_config
from anl_seg.corruption import config_source
from anl_seg.masks.raw_labels import RawLabels
from anl_seg.study.file import load_study
from anl_seg.study.plan import plan_study
from tests.cli.conftest import QUICKSTART


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.py", "a = (", "SyntaxError"),
        ("a.py", "raise RuntimeError('no')", "RuntimeError: no"),
        ("a.json", "[1]", "cannot be read as a config"),
        ("a.txt", "a = 1", "cannot be read as a config"),
        (
            "a.py",
            "from mmseg.models import FCNHead, NoSuch\nmodel = dict(decode_head=dict(type=NoSuch))",
            "cannot be read as a config: ImportError: Failed to import NoSuch",
        ),
        ("a.py", "model = 3", "model must be a dict; got 3"),
        ("a.py", "train_dataloader = [1]", r"train_dataloader must be a dict .*; got 1"),
        ("a.py", "val_dataloader = dict()", "val_dataloader must be a dict"),
    ],
)
def test_a_config_that_is_none_is_named(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=told) as caught:
        load_config(str(path))
    assert str(path) in str(caught.value)


def test_options_that_take_the_model_away_are_refused():
    with pytest.raises(ValueError, match="model must be a dict; got 3"):
        config_source(QUICKSTART, cfg_options={"model": 3})


def test_runs_of_labels_rise():
    for runs in (3, "abc", [[0, 5, 0], [5, 6, 1]], [[0, 65535, 0]] * 3):
        with pytest.raises(ValueError, match="labels"):
            RawLabels.from_runs(runs)
    assert RawLabels.from_runs([[0, 5, 0], [6, 6, 9]]).runs() == [[0, 5, 0], [6, 6, 9]]


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ("dict(main='mIoU', baseline='CEE')", "metrics.baseline: unknown loss 'CEE'.*CELoss"),
        ("dict(main='mIoU', others=3)", "metrics.others must be names of metrics; got 3"),
    ],
)
def test_metrics_of_a_study_that_nothing_has_are_refused(tmp_path, metrics, told):
    path = tmp_path / "study.py"
    path.write_text(f"base = {QUICKSTART!r}\naxes = dict(loss=['CELoss'])\nmetrics = {metrics}\n")
    with pytest.raises((KeyError, TypeError), match=told):
        load_study(path)
    path.write_text(path.read_text().replace(metrics, "dict(main='mIoU', others='mDice')"))
    assert load_study(path).metrics["others"] == ["mDice"]


def test_a_main_metric_that_nothing_measures_is_found_at_the_plan(tmp_path):
    path = tmp_path / "study.py"
    path.write_text(
        f"base = {QUICKSTART!r}\naxes = dict(loss=['CELoss'])\nmetrics = dict(main='mIou')\n"
        "budget = dict(max_iters=4)\n"
    )
    with pytest.raises(KeyError, match=r"unknown metric 'mIou'\. Did you mean mIoU"):
        plan_study(load_study(path), tmp_path)
