"""Symmetric and pair noise fitted to a transition matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SimpleNoise(NamedTuple):
    """A noise of one rate, as close as it gets to a transition matrix.

    Args:
        name: ``"symmetric"`` or ``"pair"``.
        rate: the best-fitting one in [0, 1] by least squares over all entries of the known rows.
        rms: root mean square difference of an entry.
        differences: (C, C) the matrix minus that of the noise, nan in unknown rows.
    """

    name: str
    rate: float
    rms: float
    differences: np.ndarray

    @property
    def largest(self) -> tuple[int, int]:
        """(true, noisy) class of the entry that differs most."""
        index = int(np.nanargmax(np.abs(self.differences)))
        return index // len(self.differences), index % len(self.differences)

    @property
    def max_difference(self) -> float:
        """Largest absolute difference of an entry."""
        return float(np.nanmax(np.abs(self.differences)))


def simple_noises(matrix: np.ndarray) -> list[SimpleNoise]:
    """Symmetric and pair noise fitted to a transition matrix, the closer one first.

    The best symmetric rate is the mean of 1 - T[k, k]; the best pair rate the mean of that and of
    T[k, k + 1]. Every known class counts alike. Two classes have no pair noise besides the symmetric.

    Args:
        matrix: (C, C) transition matrix, nan in unknown rows.

    Returns:
        Empty if no row is known.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    c = len(matrix)
    known = ~np.isnan(matrix).any(axis=1)
    if not known.any():
        return []
    keep = np.eye(c)
    directions = {"symmetric": (1 - keep) / (c - 1) - keep}
    if c > 2:
        directions["pair"] = np.roll(keep, 1, axis=1) - keep
    found = []
    for name, direction in directions.items():
        # Least squares along a line: T = I + rate * direction.
        rate = ((matrix - keep) * direction)[known].sum() / (direction**2)[known].sum()
        differences = matrix - keep - rate * direction
        rms = float(np.sqrt((differences[known] ** 2).mean()))
        found.append(SimpleNoise(name, float(rate), rms, differences))
    return sorted(found, key=lambda noise: noise.rms)
