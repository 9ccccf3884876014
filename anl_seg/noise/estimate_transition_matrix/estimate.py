"""An estimated transition matrix, and the one of counted labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class TransitionEstimate:
    """An estimated transition matrix.

    Args:
        matrix: (C, C) float64, rows true classes, columns noisy ones. The row of a class of which
            nothing is known is nan, all others sum to 1.
        standard_errors: (C, C) float64, the sampling error of each entry, nan where it is unknown. An
            entry of 0 or 1 has standard error 0, which a small class does not prove: with n
            independent pixels a probability of up to 3 / n shows no pixel once in twenty times.
        pixels: (C,) float64, how many pixels each row rests on.
    """

    matrix: np.ndarray
    standard_errors: np.ndarray
    pixels: np.ndarray

    @property
    def unknown(self) -> list[int]:
        """The classes whose row is nan."""
        return np.flatnonzero(np.isnan(self.matrix).any(axis=1)).tolist()

    @property
    def flip_rate(self) -> float:
        """Mean of 1 - T[k, k] over the known classes, each counting alike; nan if there are none."""
        kept = np.diagonal(self.matrix)
        kept = kept[~np.isnan(kept)]
        return float(1 - kept.mean()) if kept.size else float("nan")

    def filled(self) -> np.ndarray:
        """The matrix with the identity's row for unknown classes: ``load_transition_matrix`` takes it.

        Noise made from it leaves unknown classes as they are.
        """
        return np.where(np.isnan(self.matrix), np.eye(len(self.matrix)), self.matrix)

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain Python values for JSON; nan becomes None."""
        return {
            "matrix": _plain(self.matrix),
            "standard_errors": _plain(self.standard_errors),
            "pixels": self.pixels.tolist(),
            "unknown": self.unknown,
            "flip_rate": None if np.isnan(self.flip_rate) else self.flip_rate,
        }


def _plain(array: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(v) else v for v in row] for row in array.tolist()]


def transition_matrix_from_counts(confusion: np.ndarray) -> TransitionEstimate:
    """The transition matrix of counted labels: each row divided by its sum.

    A class that was never seen gets a row of nan (:meth:`TransitionEstimate.filled` makes it the
    identity's). Standard errors are binomial, sqrt(T (1 - T) / pixels of the class): they hold
    where pixels are wrong independently of each other, and are too small where wrong pixels
    hang together (:class:`TransitionCounts` has those).

    Args:
        confusion: (C, C) counts of at least 0; ``confusion[i, j]`` pixels are truly i and labeled j,
            as in :class:`NoiseStatistics`.

    Raises:
        ValueError: the counts are not of this form.
    """
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or len(confusion) < 2:
        raise ValueError(f"confusion must have shape (C, C) with C >= 2, got {confusion.shape}")
    if confusion.dtype.kind not in "uif" or not np.all(confusion >= 0):
        raise ValueError(f"confusion must hold counts of at least 0, got {confusion}")
    confusion = confusion.astype(np.float64)
    pixels = confusion.sum(axis=1)
    matrix = share_of(confusion, pixels[:, None])
    errors = np.sqrt(share_of(matrix * (1 - matrix), pixels[:, None]))
    return TransitionEstimate(matrix, errors, pixels)


def share_of(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """counts / totals, nan where the total is 0."""
    totals = np.broadcast_to(totals, counts.shape)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
