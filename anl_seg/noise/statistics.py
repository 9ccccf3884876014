"""How far a noisy mask is from the clean one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anl_seg._checks import check_mask, check_paired_classes


@dataclass(frozen=True, eq=False)
class NoiseStatistics:
    """Counts of clean against noisy labels over the valid pixels of one mask or of many.

    Args:
        confusion: (C, C) int64; ``confusion[i, j]`` valid pixels are clean i and noisy j.
    """

    confusion: np.ndarray

    @classmethod
    def zeros(cls, num_classes: int) -> NoiseStatistics:
        """The statistics of no pixels: what a sum starts from."""
        num_classes = check_paired_classes(num_classes, "NoiseStatistics")
        return cls(np.zeros((num_classes, num_classes), dtype=np.int64))

    @property
    def valid_pixels(self) -> int:
        """Number of pixels that have a class."""
        return int(self.confusion.sum())

    @property
    def changed_pixels(self) -> int:
        """Number of valid pixels whose class differs."""
        return self.valid_pixels - int(np.trace(self.confusion))

    @property
    def changed_share(self) -> float:
        """Changed pixels of valid pixels; nan if there are none."""
        return self.changed_pixels / self.valid_pixels if self.valid_pixels else float("nan")

    @property
    def dice(self) -> np.ndarray:
        """(C,) float64: 2 TP / (clean pixels + noisy pixels); nan for a class in neither mask."""
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        dice = np.full(len(both), np.nan)
        return np.divide(2 * np.diagonal(self.confusion), both, out=dice, where=both > 0)

    def __add__(self, other: object) -> NoiseStatistics:
        if not isinstance(other, NoiseStatistics):
            return NotImplemented
        if self.confusion.shape != other.confusion.shape:
            raise ValueError(
                "cannot add statistics of different numbers of classes: "
                f"{len(self.confusion)} and {len(other.confusion)}"
            )
        return NoiseStatistics(self.confusion + other.confusion)

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain Python values for JSON; nan becomes None."""
        share = self.changed_share if self.valid_pixels else None
        return {
            "valid_pixels": self.valid_pixels,
            "changed_pixels": self.changed_pixels,
            "changed_share": share,
            "dice": [None if np.isnan(d) else float(d) for d in self.dice],
            "confusion": self.confusion.tolist(),
        }


def noise_statistics(
    clean: np.ndarray, noisy: np.ndarray, *, num_classes: int, ignore_index: int = 255
) -> NoiseStatistics:
    """Compare a noisy mask with the clean one, over the valid pixels.

    Args:
        clean: (H, W) integers in [0, num_classes) or ``ignore_index``.
        noisy: the same shape, ignored at the same pixels.
        num_classes: number of classes C, at least 2.
        ignore_index: label of the pixels that do not count.

    Raises:
        ValueError: shapes or ignored pixels differ, or a label is out of range.
    """
    num_classes = check_paired_classes(num_classes, "NoiseStatistics")
    valid = check_mask(clean, num_classes=num_classes, ignore_index=ignore_index)
    valid_noisy = check_mask(noisy, num_classes=num_classes, ignore_index=ignore_index)
    if clean.shape != noisy.shape:
        raise ValueError(f"clean mask is {clean.shape}, noisy mask is {noisy.shape}")
    if not np.array_equal(valid, valid_noisy):
        count = int((valid != valid_noisy).sum())
        raise ValueError(
            f"{count} pixels have ignore_index {ignore_index} in only one of the two masks; "
            "noise must leave ignored pixels alone"
        )
    pairs = clean[valid].astype(np.int64) * num_classes + noisy[valid].astype(np.int64)
    counts = np.bincount(pairs, minlength=num_classes**2)
    return NoiseStatistics(counts.astype(np.int64).reshape(num_classes, num_classes))
