from __future__ import annotations

import itertools

import numpy as np
import pytest

from anl_seg.noise import clean_class_frequencies

PI = np.array([0.6, 0.29, 0.09, 0.02])
SYMMETRIC = np.full((4, 4), 0.2) + 0.2 * np.eye(4)
SKEWED = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.3, 0.6, 0.1, 0.0], [0.0, 0.4, 0.6, 0.0], [0.5, 0.0, 0.0, 0.5]]
)


@pytest.mark.parametrize("matrix", [np.eye(4), SYMMETRIC, SKEWED])
def test_undoes_the_matrix(matrix):
    noisy = matrix.T @ PI
    np.testing.assert_allclose(clean_class_frequencies(noisy, matrix), PI, atol=1e-7)
    counts = (1e6 * noisy).tolist()
    np.testing.assert_allclose(clean_class_frequencies(counts, matrix.tolist()), PI, atol=1e-7)


def test_what_no_clean_frequencies_explain_gives_the_nearest_on_the_simplex():
    """The last class is rarer than symmetric noise alone would make it."""
    noisy = np.array([0.42, 0.30, 0.16, 0.12])
    found = clean_class_frequencies(noisy, SYMMETRIC)
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0
    assert found[3] == 0

    def miss(pi):
        return ((SYMMETRIC.T @ pi - noisy) ** 2).sum()

    steps = np.linspace(0, 1, 41)
    grid = [np.array([a, b, c, 1 - a - b - c]) for a, b, c in itertools.product(steps, repeat=3)]
    assert miss(found) <= min(miss(pi) for pi in grid if pi[3] >= -1e-12) + 1e-9


def test_wrong_arguments_are_named():
    for noisy, matrix, words in (
        ([0.5, 0.5], SYMMETRIC, "must have 4 numbers"),
        ([1.0, -1.0, 0.5, 0.5], SYMMETRIC, "0 or more"),
        ([0.0] * 4, SYMMETRIC, "not all 0"),
        ([0.25] * 4, np.full((4, 4), 0.25), "rank 1 of 4"),
        ([0.25] * 4, SYMMETRIC * 0.9, "must sum to 1"),
    ):
        with pytest.raises(ValueError, match=words):
            clean_class_frequencies(noisy, matrix)
