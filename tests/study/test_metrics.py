"""The metrics of a study: names, columns, directions, and their values over a training."""

from __future__ import annotations

import math

import pytest

from anl_seg.study.metrics import Metrics


def values(validations, *, last_k=1, **options):
    return Metrics("m", last_k=last_k, **options).columns_of(validations, "m")


def test_values_over_validations():
    three = {10: {"m": 3.0}, 30: {"m": 1.0}, 20: {"m": 2.0}}
    assert values(three, last_k=2) == {"final m": 1.0, "best m": 3.0, "last_k m": 1.5}
    low = values(three, last_k=9, listed_as_lower=frozenset(["m"]))
    assert low == {"final m": 1.0, "best m": 1.0, "last_k m": 2.0}
    found = values({1: {"m": 3.0}, 2: {"m": math.nan}}, last_k=2)
    assert math.isnan(found["final m"])
    assert (found["best m"], found["last_k m"]) == (3.0, 3.0)
    for empty in ({}, {1: {"other": 1.0}}):
        assert all(math.isnan(v) for v in values(empty, stop_by="m").values())


def test_the_best_step_is_the_first_best():
    validations = {30: {"m": 2.0}, 10: {"m": 1.0}, 20: {"m": 2.0}, 40: {"m": math.nan}, 50: {}}
    assert Metrics("m").best_step(validations, "m") == 20
    assert Metrics("m", listed_as_lower=frozenset(["m"])).best_step(validations, "m") == 10
    assert Metrics("m").best_step(validations, "other") is None


def test_stopped_is_the_value_at_the_best_step_of_another_metric():
    validations = {1: {"m": 5.0, "ECE": 2.0}, 2: {"m": 9.0, "ECE": 3.0}, 3: {"ECE": 1.0}}
    assert values(validations, stop_by="m")["stopped m"] == 9.0
    assert math.isnan(values(validations, stop_by="ECE")["stopped m"])  # not logged there


def test_which_metrics_are_better_when_low():
    metrics = Metrics.of({"main": "mIoU", "lower_is_better": ["mDice"]})
    for name in ("ECE", "last_k calibration/ECE", "mDice", "val/mean_Error.fg", "loss_ce"):
        assert metrics.lower_is_better(name), name
    for name in ("final mDice.fg", "IoU.glossary", "mIoU"):
        assert not metrics.lower_is_better(name), name


def test_columns_to_compare_by():
    metrics = Metrics.of({"main": "mIoU", "last_k": 10, "stop_by": "ECE", "others": ["mDice"]})
    assert metrics.main_column == "last_k mIoU"
    assert metrics.column("ECE") == "last_k ECE"
    assert metrics.names == ["mIoU", "mDice", "ECE"]
    assert metrics.main_columns == [f"{k} mIoU" for k in ("final", "best", "stopped", "last_k")]
    assert metrics.title("last_k mIoU") == "mIoU, mean of the last 10 validations"
    assert metrics.title("stopped mDice") == "mDice, validation where ECE is best"
    plain = Metrics.of({"main": "mIoU", "hooks": [], "evaluators": [], "baseline": "CE"})
    assert (plain.main_column, plain.kinds) == ("final mIoU", ["final", "best"])
    assert plain.baseline == "CE"


@pytest.mark.parametrize(
    ("main", "prefix"),
    [
        ("mDice", "Dice."),
        ("mDice.fg", "Dice."),
        ("noisy/mDice.fg", "noisy/Dice."),
        ("mIoU", "IoU."),
        ("ECE", None),
        ("IoU.lung", None),
    ],
)
def test_values_of_classes_that_a_metric_is_the_mean_of(main, prefix):
    assert Metrics(main).class_prefix == prefix
