"""Clean masks counted against noisy ones: their transition matrix, and whether it describes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from anl_seg._checks import check_mask, check_paired_classes

from .estimate import TransitionEstimate, share_of, transition_matrix_from_counts


class Clumping(NamedTuple):
    """How much wrong pixels hang together; both values nan if there are none.

    Args:
        observed: of the neighbors (left, right, above, below) of wrong pixels that have the same
            true class, the share that is wrong too.
        independent: what that share would be if each pixel were wrong independently, at the rate
            of its class.
    """

    observed: float
    independent: float

    @property
    def correlation(self) -> float:
        """0: as if independent; 1: beside a wrong pixel all are wrong; nan if that is no question."""
        if not self.independent < 1:
            return float("nan")
        return (self.observed - self.independent) / (1 - self.independent)


class TransitionCounts:
    """Counts of clean against noisy labels, image after image, in memory that does not grow.

    Args:
        num_classes: number of classes C, at least 2.
        ignore_index: label of pixels without a class. A pixel counts if both masks label it.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        self.num_classes = check_paired_classes(num_classes, "TransitionCounts")
        self.ignore_index = ignore_index
        c = self.num_classes
        #: (C, C) int64, summed over images: the counts n, their squares, and n[i, j] n[i].
        self.confusion = np.zeros((c, c), dtype=np.int64)
        self._squares = np.zeros((c, c), dtype=np.int64)
        self._products = np.zeros((c, c), dtype=np.int64)
        #: (C,) int64: squares of n[i], and the images that have the class.
        self._row_squares = np.zeros(c, dtype=np.int64)
        self._images = np.zeros(c, dtype=np.int64)
        #: (C, 3) int64 over pairs of neighbors of one true class: pairs, with one wrong, both wrong.
        self._pairs = np.zeros((c, 3), dtype=np.int64)
        #: (1,) int64: pixels that only one of the masks ignores.
        self._ignored_once = np.zeros(1, dtype=np.int64)

    def arrays(self) -> list[np.ndarray]:
        """All counts, to be summed in place over processes that each saw a part of the images."""
        return [
            self.confusion,
            self._squares,
            self._products,
            self._row_squares,
            self._images,
            self._pairs,
            self._ignored_once,
        ]

    @property
    def ignored_once(self) -> int:
        """Number of pixels left out because only one of the two masks ignores them."""
        return int(self._ignored_once[0])

    def add(self, clean: np.ndarray, noisy: np.ndarray) -> None:
        """Count one image.

        Args:
            clean: (H, W) integers in [0, C) or ``ignore_index``: the true labels.
            noisy: the same shape.

        Raises:
            ValueError: shapes differ, or a label is out of range.
        """
        c = self.num_classes
        valid = check_mask(clean, num_classes=c, ignore_index=self.ignore_index)
        valid_noisy = check_mask(noisy, num_classes=c, ignore_index=self.ignore_index)
        if clean.shape != noisy.shape:
            raise ValueError(f"clean mask is {clean.shape}, noisy mask is {noisy.shape}")
        self._ignored_once += (valid != valid_noisy).sum()
        valid = valid & valid_noisy
        clean, noisy = clean.astype(np.int64), noisy.astype(np.int64)
        counts = np.bincount(clean[valid] * c + noisy[valid], minlength=c * c)
        counts = counts.astype(np.int64).reshape(c, c)
        rows = counts.sum(axis=1)
        self.confusion += counts
        self._squares += counts * counts
        self._products += counts * rows[:, None]
        self._row_squares += rows * rows
        self._images += rows > 0
        wrong = valid & (clean != noisy)
        for a, b in (
            (np.s_[:, :-1], np.s_[:, 1:]),
            (np.s_[:-1], np.s_[1:]),
        ):
            same = valid[a] & valid[b] & (clean[a] == clean[b])
            kind = wrong[a][same].astype(np.int64) + wrong[b][same]
            table = np.bincount(clean[a][same] * 3 + kind, minlength=3 * c).reshape(c, 3)
            self._pairs[:, 0] += table.sum(axis=1)
            self._pairs[:, 1:] += table[:, 1:]

    def estimate(self) -> TransitionEstimate:
        """The matrix of all counted pixels, with standard errors from image to image.

        The images, not the pixels, are what was sampled: T[i, j] is a ratio of two sums over images,
        and its standard error that of a ratio (linearised; Cochran, "Sampling Techniques", 1977).
        It holds for wrong pixels that hang together. Where the binomial one is larger, as it can be
        by chance with few images, or where only one image has the class, the binomial one is given.
        """
        binomial = transition_matrix_from_counts(self.confusion)
        t, total = binomial.matrix, binomial.pixels[:, None]
        squares = self._squares - 2 * t * self._products + t * t * self._row_squares[:, None]
        images = self._images[:, None]
        several = np.where(images > 1, total * total * (images - 1), 0)
        by_image = np.sqrt(np.maximum(share_of(squares * images, several), 0))
        errors = np.fmax(by_image, binomial.standard_errors)
        return TransitionEstimate(t, errors, binomial.pixels)

    def clumping(self) -> Clumping:
        """Whether wrong pixels hang together."""
        pairs, one, both = self._pairs.T
        wrong = 2 * both.sum() + one.sum()
        if wrong == 0:
            return Clumping(float("nan"), float("nan"))
        # The rate among pixels that have a neighbor: the expectation must be about the same pixels.
        rate = share_of(2.0 * both + one, 2.0 * pairs)
        expected = np.nansum(rate * rate * pairs) / np.nansum(rate * pairs)
        return Clumping(float(2 * both.sum() / wrong), float(expected))
