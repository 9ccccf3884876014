from __future__ import annotations

import json

import numpy as np
import pytest

from anl_seg.noise import (
    TransitionMatrixNoise,
    load_transition_matrix,
    noise_statistics,
    transition_matrix_noise,
)

MATRIX = [
    [0.7, 0.0, 0.3, 0.0, 0.0],
    [0.1, 0.2, 0.3, 0.4, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0],
    [0.0, 0.5, 0.0, 0.5, 0.0],
    [0.2, 0.2, 0.2, 0.2, 0.2],
]


def slow_transition(mask, draw, matrix):
    """Pixel by pixel: walk along the row until the probabilities exceed the draw."""
    noisy = mask.copy()
    for index in np.ndindex(mask.shape):
        if mask[index] == 255:
            continue
        total = 0.0
        for label, probability in enumerate(matrix[mask[index]]):
            total += probability
            if probability > 0:
                noisy[index] = label
                if draw[index] < total:
                    break
    return noisy


def test_slow_oracle(stripes, make_rng):
    mask = stripes[::11, ::13]
    noisy = transition_matrix_noise(mask, make_rng(), matrix=MATRIX, num_classes=5)
    assert np.array_equal(noisy, slow_transition(mask, make_rng().random(mask.shape), MATRIX))


def test_rows_are_true_classes_and_columns_noisy_ones(stripes, make_rng):
    noisy = transition_matrix_noise(stripes, make_rng(), matrix=MATRIX, num_classes=5)
    confusion = noise_statistics(stripes, noisy, num_classes=5).confusion
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    assert np.abs(shares - MATRIX).max() < 0.01
    assert not confusion[np.array(MATRIX) == 0].any()


def test_permutation_matrix_is_deterministic(make_rng):
    mask = np.array([[0, 1, 2, 255]], dtype=np.uint8)
    matrix = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    noisy = transition_matrix_noise(mask, make_rng(), matrix=matrix, num_classes=3)
    assert noisy.tolist() == [[1, 2, 0, 255]]


class Draws(np.random.RandomState):
    """A generator whose uniform numbers are all the same."""

    def __init__(self, value):
        super().__init__(0)
        self.value = value

    def random(self, size=None):
        return np.full(size, self.value)


def test_largest_and_smallest_draw_stay_in_the_row():
    # Ten times 0.1 adds up to less than 1, and the row ends in a class that must not be drawn.
    row = [0.0, *[0.1] * 10, 0.0]
    assert np.cumsum(row)[-1] < 1
    matrix = [row] * 12
    mask = np.zeros((1, 3), dtype=np.uint8)
    for draw, label in ((0.0, 1), (np.nextafter(1, 0), 10)):
        noisy = transition_matrix_noise(mask, Draws(draw), matrix=matrix, num_classes=12)
        assert noisy.tolist() == [[label] * 3]


def test_a_draw_equal_to_a_bound_belongs_to_the_class_above():
    mask = np.zeros((1, 1), dtype=np.uint8)
    matrix = [[0.5, 0.0, 0.5]] * 3
    assert transition_matrix_noise(mask, Draws(0.5), matrix=matrix, num_classes=3) == 2


def test_files_hold_the_same_matrix_as_lists(tmp_path):
    np.save(tmp_path / "t.npy", np.array(MATRIX))
    (tmp_path / "t.json").write_text(json.dumps(MATRIX))
    lines = [", ".join(map(str, row)) for row in MATRIX]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    noise = TransitionMatrixNoise(MATRIX)
    for name in ("t.npy", "t.json", "t.csv"):
        assert TransitionMatrixNoise(tmp_path / name) == noise
        assert TransitionMatrixNoise(str(tmp_path / name)).digest() == noise.digest()
    assert noise.config() == {"type": "TransitionMatrixNoise", "matrix": MATRIX}


def test_the_matrix_is_a_read_only_copy():
    source = np.array(MATRIX)
    noise = TransitionMatrixNoise(source)
    source[0] = 0
    assert noise.matrix.tolist() == MATRIX
    with pytest.raises(ValueError, match="read-only"):
        noise.matrix[0, 0] = 1


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 0], [0.5, 0.4]], r"row 1 of transition matrix must sum to 1, got 0\.9 "),
        ([[0.9, 0], [0.1, 1]], r"row 0 .*got 0\.9"),
        ([[1.5, -0.5], [0, 1]], r"\[0, 1\], got 1\.5 in row 0, column 0"),
        ([[1, 0], [float("nan"), 1]], "got nan in row 1, column 0"),
        ([[1, 0]], r"shape \(C, C\).*got \(1, 2\)"),
        ([[1]], r"C >= 2, got \(1, 1\)"),
        ([1, 0], r"got \(2,\)"),
        ([[1, 0], [1]], "rows of numbers of equal length"),
        ("t.txt", r"\.npy, \.json or \.csv file, got 't\.txt'"),
    ],
)
def test_wrong_matrix(matrix, message):
    with pytest.raises(ValueError, match=message):
        TransitionMatrixNoise(matrix)


def test_row_sums_within_the_tolerance():
    load_transition_matrix([[1 - 5e-7, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"got 0\.999998"):
        load_transition_matrix([[1 - 2e-6, 0], [0, 1]])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TransitionMatrixNoise(tmp_path / "nowhere.npy")


def test_wrong_content_of_a_file_names_the_file(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("1,0\nx,1\n")
    with pytest.raises(ValueError, match=r"bad\.csv"):
        TransitionMatrixNoise(path)


def test_size_must_be_the_number_of_classes(make_rng):
    with pytest.raises(ValueError, match="5 x 5, the data has 3 classes"):
        TransitionMatrixNoise(MATRIX)(np.zeros((2, 2), np.uint8), make_rng(), num_classes=3)
