"""Ranks and paired tests against enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from anl_seg.study.report import runs_frame
from anl_seg.study.report.significance import holm, paired_tests, rank_frame
from tests.study.hand_made_study import fail, make_study


def frame_of(values, column="final m"):
    """Runs with given values: loss -> one value per (setting, seed); NaN for a run that failed."""
    rows = []
    for loss, numbers in values.items():
        for i, value in enumerate(numbers):
            rows.append(
                {
                    "model": "unet",
                    "options": "default",
                    "noise": "symmetric",
                    "strength": 0.1 * (i // 2),
                    "seed": i % 2,
                    "loss": loss,
                    "status": "failed" if math.isnan(value) else "finished",
                    column: value,
                }
            )
    return pd.DataFrame(rows)


def midranks(values):
    """1-based ranks of absolute values; ties share the mean."""
    return [1 + sum(v < w for v in values) + (sum(v == w for v in values) - 1) / 2 for w in values]


def exact_p(differences):
    """Two-sided: over all signs, how often the smaller rank sum is at most the one found."""
    known = [d for d in differences if d]
    ranks = midranks([abs(d) for d in known])

    def smaller(signs):
        plus = sum(r for r, s in zip(ranks, signs) if s > 0)
        return min(plus, sum(ranks) - plus)

    found = smaller([1 if d > 0 else -1 for d in known])
    outcomes = list(itertools.product((1, -1), repeat=len(known)))
    return sum(smaller(signs) <= found + 1e-9 for signs in outcomes) / len(outcomes)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("pairs", [4, 8, 11])
def test_p_equals_enumeration_of_all_signs(pairs, seed):
    rng = np.random.RandomState(seed)
    first, second = rng.rand(pairs), rng.rand(pairs) + 0.15
    (row,) = paired_tests(frame_of({"A": first, "B": second}), "final m", "A").to_dict("records")
    assert row["p"] == pytest.approx(exact_p(second - first))
    assert row["p corrected"] == row["p"]
    assert row["pairs"] == pairs
    assert row["wins"] == sum(second > first)
    assert row["losses"] == sum(second < first)
    assert row["mean difference"] == pytest.approx(np.mean(second - first))


def test_never_below_what_the_pairs_can_say():
    """Ties, where some versions of scipy take a normal distribution."""
    frame = frame_of({"A": [1.0, 1, 1, 1], "B": [2.0, 2, 2, 2]})
    (row,) = paired_tests(frame, "final m", "A").to_dict("records")
    assert row["p"] >= 2**-3
    assert row["verdict"] == "too few pairs"


def test_verdicts():
    rng = np.random.RandomState(0)
    base = rng.rand(10)
    frame = frame_of(
        {
            "A": base,
            "up": base + 0.5 + 0.1 * rng.rand(10),
            "down": base - 0.5 - 0.1 * rng.rand(10),
            "same": base + 0.2 * (rng.rand(10) - 0.5),
            "equal": base,
        }
    )
    for lower, words in ((False, ("better", "worse")), (True, ("worse", "better"))):
        tests = paired_tests(frame, "final m", "A", lower=lower)
        verdicts = dict(zip(tests["loss"], tests["verdict"]))
        assert (verdicts["up"], verdicts["down"]) == words
        assert verdicts["same"] == verdicts["equal"] == "no difference shown"
    up, down, same, equal = tests.to_dict("records")
    assert up["p"] == pytest.approx(2**-9)
    assert (up["losses"], up["wins"]) == (10, 0)  # low is good here
    assert (equal["ties"], equal["p"]) == (10, 1.0)
    expected = holm([up["p"], down["p"], same["p"], equal["p"]])
    assert list(tests["p corrected"]) == expected
    assert expected[0] == pytest.approx(4 * 2**-9)


@pytest.mark.parametrize(
    ("pairs", "verdict"), [(3, "too few pairs"), (5, "too few pairs"), (6, "better")]
)
def test_how_many_pairs_are_enough_for_one_comparison(pairs, verdict):
    """2^-4 is above 0.05, 2^-5 below."""
    base = np.arange(pairs, dtype=float)
    frame = frame_of({"A": base, "B": base + 1 + base / 100})
    (row,) = paired_tests(frame, "final m", "A").to_dict("records")
    assert row["verdict"] == verdict
    assert row["smallest p"] == 2.0 ** (1 - pairs)


def test_more_comparisons_need_more_pairs():
    base = np.arange(6, dtype=float)
    values = {"A": base, "B": base + 1 + base / 100, "C": base + 2 + base / 100}
    tests = paired_tests(frame_of(values), "final m", "A")
    assert list(tests["smallest p"]) == [2 * 2**-5] * 2
    assert set(tests["verdict"]) == {"too few pairs"}


def test_pairs_need_both_runs():
    values = {"A": [1.0, 2, math.nan, 4], "B": [math.nan, 3, 4, 5], "C": [math.nan] * 4}
    tests = paired_tests(frame_of(values), "final m", "A").set_index("loss")
    assert tests.loc["B", "pairs"] == 2
    assert tests.loc["C", "pairs"] == 0
    assert math.isnan(tests.loc["C", "p"])
    assert tests.loc["C", "verdict"] == "too few pairs"
    # Nothing to test is no comparison to correct for.
    assert tests.loc["B", "p corrected"] == tests.loc["B", "p"]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    found = holm([0.02, math.nan, 0.01])
    assert found[0] == pytest.approx(0.02)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(0.02)
    assert holm([]) == []


def test_unknown_reference():
    with pytest.raises(ValueError, match="no loss 'Z' to compare with; there are A, B"):
        paired_tests(frame_of({"A": [1.0], "B": [2.0]}), "final m", "Z")


def test_ranks_by_hand():
    # Two settings of two seeds each: means (1, 5), (2, 5), (3, 4); the third loss best, then second.
    frame = frame_of({"A": [0.0, 2, 5, 5], "B": [2.0, 2, 4, 6], "C": [3.0, 3, 4, 4]})
    ranks = rank_frame(frame, "final m").set_index("loss")
    assert ranks["mean rank"].to_dict() == {"B": 1.75, "C": 2.0, "A": 2.25}
    assert list(ranks.index) == ["B", "C", "A"]
    assert ranks.loc["A", "mean"] == 3.0
    assert set(ranks["settings"]) == set(ranks["of"]) == {2}
    low = rank_frame(frame, "final m", lower=True).set_index("loss")
    assert low["mean rank"].to_dict() == {"A": 1.75, "C": 2.0, "B": 2.25}


def test_settings_that_lack_a_loss_do_not_count():
    frame = frame_of({"A": [1.0, 1, 1, 1], "B": [math.nan, math.nan, 2, 2], "C": [math.nan] * 4})
    ranks = rank_frame(frame, "final m").set_index("loss")
    assert ranks.loc["B", "mean rank"] == 1
    assert ranks.loc["A", "mean rank"] == 2
    assert (ranks.loc["A", "settings"], ranks.loc["A", "of"]) == (1, 2)
    assert math.isnan(ranks.loc["C", "mean rank"])
    assert list(ranks.index)[-1] == "C"


def test_of_runs_that_were_read(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2), ("symmetric", 0.4)))
    fail(tmp_path, runs[0], "exit 1")
    frame = runs_frame(tmp_path)
    assert list(rank_frame(frame, "last_k mDice.fg")["loss"]) == ["GCE", "MAE", "CE"]
    tests = paired_tests(frame, "last_k mDice.fg", "CE").set_index("loss")
    assert tests.loc["GCE", "pairs"] == 5
    assert tests.loc["GCE", "mean difference"] == pytest.approx(6)
