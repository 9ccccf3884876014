"""Reading and checking transition matrices T[true, noisy]."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

# How far a row's sum may be from 1: wide enough for a matrix written with seven digits or kept in
# float32, far below any rate a study can tell apart.
ROW_SUM_TOLERANCE = 1e-6


def load_transition_matrix(matrix: object) -> np.ndarray:
    """A checked transition matrix from an array, a nested list or a file.

    Args:
        matrix: (C, C) numbers, or the path of a ``.npy``, ``.json`` or ``.csv`` file of them.

    Returns:
        (C, C) float64, read-only; row = true class, column = noisy class.

    Raises:
        FileNotFoundError: the path names no file.
        ValueError: the file is of another kind, or the content is no transition matrix.
    """
    where = "transition matrix"
    if isinstance(matrix, (str, os.PathLike)):
        path = Path(matrix)
        where = f"transition matrix {str(path)!r}"
        matrix = _read(path)
    try:
        # A copy: the caller's array may change later.
        array = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must be rows of numbers of equal length: {error}") from None
    _check(array, where)
    array.setflags(write=False)
    return array


def check_size(matrix: np.ndarray, num_classes: int) -> None:
    """Refuse a transition matrix that is not of the data's number of classes.

    Raises:
        ValueError: it is of another size.
    """
    if len(matrix) != num_classes:
        raise ValueError(
            f"the transition matrix is {len(matrix)} x {len(matrix)}, "
            f"the data has {num_classes} classes"
        )


def _read(path: Path) -> object:
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".json", ".csv"):
        raise ValueError(
            f"a transition matrix is read from a .npy, .json or .csv file, got {str(path)!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"no transition matrix at {str(path)!r}")
    if suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split(",") for line in lines if line.strip()]


def _check(array: np.ndarray, where: str) -> None:
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] < 2:
        raise ValueError(f"{where} must have shape (C, C) with C >= 2, got {array.shape}")
    # Written so that NaN counts as out of range.
    outside = np.argwhere(~((array >= 0) & (array <= 1)))
    if len(outside):
        row, column = outside[0].tolist()
        raise ValueError(
            f"{where} must hold probabilities in [0, 1], "
            f"got {array[row, column]} in row {row}, column {column}"
        )
    sums = array.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > ROW_SUM_TOLERANCE)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"row {row} of {where} must sum to 1, got {sums[row]:.9g} "
            "(rows are true classes, columns noisy ones)"
        )
