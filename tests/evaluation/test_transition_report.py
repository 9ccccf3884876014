from __future__ import annotations

import numpy as np

from anl_seg.evaluation.transition_report import resemblance, transition_table
from anl_seg.noise.estimate_transition_matrix import TransitionEstimate


def test_many_classes_are_told_by_their_mistakes():
    matrix = np.eye(40)
    matrix[3, [3, 7, 9]] = 0.5, 0.3, 0.2
    counted = TransitionEstimate(matrix, np.zeros((40, 40)), np.full(40, 10.0))
    lines = transition_table(counted, [f"class {k}" for k in range(40)]).splitlines()
    assert len(lines) == 41
    assert lines[4].split("  ")[-1] == "class 7 30.0, class 9 20.0"
    assert lines[1].split() == ["class", "0", "100.0", "0.0", "10"]
    assert max(map(len, lines)) < 100


def test_what_fits_as_well_is_named():
    matrix = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    counted = TransitionEstimate(matrix, np.full((3, 3), np.nan), np.full(3, 10.0))
    text = resemblance(counted, list("abc"), 0.1)
    assert "Looks like symmetric noise of rate 0.200" in text
    assert "pair noise of rate 0.150 would be as possible" in text
    assert "as possible" not in resemblance(counted, list("abc"), 0.04)
