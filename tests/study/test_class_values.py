"""Values of classes: read from the last validation, lost classes counted, shown in the report."""

from __future__ import annotations

import csv
import json
import math

import pytest

from anl_seg.study.metrics import Metrics
from anl_seg.study.report import runs_frame, summary_frame, write_report
from anl_seg.study.report.class_values import class_values, lost_classes
from anl_seg.study.report.content import class_tables
from anl_seg.study.report.results import Results
from anl_seg.study.run_record import read_study
from tests.study.hand_made_study import fail, make_study


def log(work_dir, run, *validations) -> None:
    """Further validations of a run, each a dict of classes."""
    (path,) = (work_dir / run["folder"]).glob("*/vis_data/scalars.json")
    with open(path, "a") as file:
        for at, values in enumerate(validations):
            keys = {f"Dice.{name}": value for name, value in values.items()}
            file.write(json.dumps({"mDice.fg": 50.0, **keys, "step": 40 + at}) + "\n")


def values(background, lung, heart) -> dict:
    return {"background": background, "lung": lung, "heart": heart}


@pytest.fixture
def study(tmp_path):
    """CE under noise and clean with seeds 0 and 1, in this order."""
    runs = make_study(
        tmp_path, losses=("CE",), noises=(("symmetric", 0.2), ("clean", None)), seeds=(0, 1)
    )
    log(tmp_path, runs[0], values(90, 80, 70), values(95, 39, 0.99))
    log(tmp_path, runs[1], values(95, 40, math.nan))
    log(tmp_path, runs[2], values(96, 80, 60))
    log(tmp_path, runs[3], values(97, 80, 60))
    return tmp_path, runs


def test_values_are_those_of_the_last_validation(study):
    work_dir, _ = study
    _, records = read_study(work_dir)
    assert class_values(records[0], Metrics("mDice.fg")) == values(95, 39, 0.99)
    assert class_values(records[1], Metrics("mDice")) == {"background": 95, "lung": 40}
    assert class_values(records[0], Metrics("mIoU")) == {}
    assert class_values(records[0], Metrics("noisy/mDice.fg")) == {}
    assert class_values(records[0], Metrics("ECE")) == {}


def test_lost_classes_are_told_from_the_clean_run_of_the_same_seed(study):
    work_dir, _ = study
    _, records = read_study(work_dir)
    first, second, third, fourth = lost_classes(records, Metrics("mDice.fg")).values()
    assert first == (1, 2)
    assert second == (0, 0)  # 40 is half of 80, no less; NaN is no class
    assert third[0] == fourth[0] == 0
    assert math.isnan(third[1])
    assert math.isnan(fourth[1])


def test_without_a_clean_run_that_finished_there_is_no_half(study):
    work_dir, runs = study
    fail(work_dir, runs[2], "diverged")
    _, records = read_study(work_dir)
    first, second, third, _ = lost_classes(records, Metrics("mDice.fg")).values()
    assert first[0] == 1
    assert math.isnan(first[1])
    assert second == (0, 0)
    assert all(map(math.isnan, third))


def test_counts_are_summarized_over_the_seeds(study):
    row = summary_frame(runs_frame(study[0])).iloc[0]
    assert row["classes_unlearned mean"] == 0.5
    assert (row["classes_halved mean"], row["classes_halved n"]) == (1, 2)


def test_tables_of_classes_are_means_over_seeds(study):
    table, clean = class_tables(Results.read(study[0]).classes)
    assert (table.title, clean.title) == ("symmetric 0.2", "clean")
    assert table.head == ["class", "CE"]
    assert table.rows == [["background", "95.0"], ["lung", "39.5"], ["heart", "1.0"]]


def test_the_report_shows_them_where_there_are_any(study, tmp_path_factory):
    page = write_report(study[0]).read_text(encoding="utf-8")
    assert "Each class at the end, symmetric 0.2" in page
    assert "<h3>Classes lost to noise</h3>" in page
    report = study[0] / "report"
    assert "## Classes not learned" in (report / "summary.md").read_text()
    with open(report / "classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    assert (rows[1]["loss"], rows[1]["seed"], rows[1]["class"]) == ("CE", "0", "lung")
    assert float(rows[1]["value"]) == 39
    other = tmp_path_factory.mktemp("other")
    make_study(other)
    page = write_report(other).read_text(encoding="utf-8")
    assert "Each class at the end" not in page
    assert "Classes not learned" not in page
