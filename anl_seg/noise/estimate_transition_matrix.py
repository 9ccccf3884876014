"""Which noise do masks carry? Transition matrices from clean masks beside noisy ones, or from anchor points.

The estimate describes class-conditional noise: each pixel's label is drawn from the row of its true
class. Masks whose wrong pixels hang together (outlines, objects) have such a matrix too, but it does
not describe them; :meth:`TransitionCounts.clumping` tells the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from anl_seg._checks import check_integer, check_mask, check_paired_classes, check_rate

#: How far from 1 the probabilities of a pixel may sum: those of half-precision models do by 1e-3.
_SUM_TOLERANCE = 1e-2

#: Half the width, as a share of the pixels, of the window around a quantile that is averaged over.
_HALF_WINDOW = 0.025

#: The paper's quantile is 0.97. Of those tried in docs/transition_matrix.md this one was never far off.
DEFAULT_QUANTILE = 0.7

#: The share of a class's most confident pixels whose labels are counted.
DEFAULT_TOP_SHARE = 0.5

#: Most memory of :class:`AnchorPoints`.
_MAX_BYTES = 2**34


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
    matrix = _divide(confusion, pixels[:, None])
    errors = np.sqrt(_divide(matrix * (1 - matrix), pixels[:, None]))
    return TransitionEstimate(matrix, errors, pixels)


def _divide(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """counts / totals, nan where the total is 0."""
    totals = np.broadcast_to(totals, counts.shape)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


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
        by_image = np.sqrt(np.maximum(_divide(squares * images, several), 0))
        errors = np.fmax(by_image, binomial.standard_errors)
        return TransitionEstimate(t, errors, binomial.pixels)

    def clumping(self) -> Clumping:
        """Whether wrong pixels hang together."""
        pairs, one, both = self._pairs.T
        wrong = 2 * both.sum() + one.sum()
        if wrong == 0:
            return Clumping(float("nan"), float("nan"))
        # The rate among pixels that have a neighbor: the expectation must be about the same pixels.
        rate = _divide(2.0 * both + one, 2.0 * pairs)
        expected = np.nansum(rate * rate * pairs) / np.nansum(rate * pairs)
        return Clumping(float(2 * both.sum() / wrong), float(expected))


class AnchorPoints:
    """Finds, image after image, the pixels at which a model trained on noisy masks shows their noise.

    A model that has learnt from noisy labels which label a pixel *gets* predicts p(noisy | x). Where it
    is sure of the true class i (an anchor point of class i), that is row i of the transition matrix.
    Which pixels are anchor points of class i is seen from p(noisy = i | x): of those where class i
    is the most probable one, the most confident. Two estimates follow:

    - :meth:`estimate`: the model's own probabilities there (Patrini et al., CVPR 2017). They take the
      most confident pixel, or the one at the 97 % quantile, over all samples of balanced classes.
      Here the quantile is among the pixels predicted as the class, as a class of 2 % of the area has
      none at the 97 % quantile of all pixels.
    - :meth:`label_estimate`: the noisy labels there, counted. The model only chooses the pixels, so
      it need not be calibrated.

    Assumptions, and when they fail:

    - Noise is class-conditional. Wrong outlines leave no trace where the model is confident.
    - Each class is the most frequent label of its own pixels. Where it is not, or where the model
      never predicts it, its row is unknown, or is that of the pixels wrongly taken for it.
    - The model gives probabilities that mean something: cross entropy does, and losses that are
      made to resist noise do not (:meth:`estimate` only).
    - The model has not learnt the wrong labels of these pixels by heart: use early stopping or,
      better, images that it was not trained on. Overfitted, it is most confident where the label
      happens to be i, and both estimates of T[i, i] are too large.

    Pixels are sorted into ``bins`` by p(noisy = i | x) as they come; memory is C x C x bins x 16 bytes
    whatever the number of images. Anchor points are known to 1 / bins of that probability.

    Args:
        num_classes: number of classes C, at least 2.
        bins: number of bins over [0, 1], at least 1.
        ignore_index: label of pixels to leave out.

    Source: Patrini et al., "Making Deep Neural Networks Robust to Label Noise", CVPR 2017.
    """

    def __init__(self, num_classes: int, bins: int = 500, ignore_index: int = 255) -> None:
        self.num_classes = check_paired_classes(num_classes, "AnchorPoints")
        self.bins = check_integer("bins", bins, low=1)
        size = self.num_classes**2 * self.bins * 16
        if size > _MAX_BYTES:
            raise ValueError(
                f"bins must be at most {_MAX_BYTES // (self.num_classes**2 * 16)} with {num_classes} "
                f"classes, got {bins}: it would take {size / 2**30:.0f} GiB"
            )
        self.ignore_index = ignore_index
        c = self.num_classes
        #: (C * bins,) int64: pixels by predicted class and bin.
        self._pixels = np.zeros(c * self.bins, dtype=np.int64)
        #: (C, C * bins) float64 and int64: probabilities summed, and noisy labels, by class and cell.
        self._sums = np.zeros((c, c * self.bins))
        self._labels = np.zeros((c, c * self.bins), dtype=np.int64)
        #: (1,) int64: pixels that came without a label.
        self._unlabelled = np.zeros(1, dtype=np.int64)

    def arrays(self) -> list[np.ndarray]:
        """All sums, to be summed in place over processes that each saw a part of the images."""
        return [self._pixels, self._sums, self._labels, self._unlabelled]

    def add(self, probabilities: np.ndarray, labels: np.ndarray | None = None) -> None:
        """Take the predictions for one image.

        Args:
            probabilities: (C, H, W) floats in [0, 1] that sum to 1 over the classes.
            labels: (H, W) integers in [0, C) or ``ignore_index``: the noisy labels; None: unknown.

        Raises:
            ValueError: shapes, probabilities or labels are not of this form.
        """
        c = self.num_classes
        probabilities = np.asarray(probabilities)
        if probabilities.ndim != 3 or len(probabilities) != c:
            raise ValueError(
                f"probabilities must have shape ({c}, H, W), got {probabilities.shape}"
            )
        probabilities = probabilities.reshape(c, -1)
        # Written so that NaN counts as wrong.
        right = (probabilities >= 0).all(axis=0)
        right &= np.abs(probabilities.sum(axis=0, dtype=np.float64) - 1) <= _SUM_TOLERANCE
        if not right.all():
            wrong = probabilities[:, np.flatnonzero(~right)[0]]
            raise ValueError(
                "the probabilities of each pixel must be at least 0 and sum to 1 (softmax of the "
                f"logits), got {wrong} at {int((~right).sum())} pixels"
            )
        if labels is not None:
            shape = labels.shape
            valid = check_mask(labels, num_classes=c, ignore_index=self.ignore_index).reshape(-1)
            if valid.size != probabilities.shape[1]:
                raise ValueError(
                    f"{probabilities.shape[1]} pixels of probabilities, labels {shape}"
                )
            labels = labels.reshape(-1).astype(np.int64)
            if not valid.all():
                probabilities, labels = probabilities[:, valid], labels[valid]
        predicted = probabilities.argmax(axis=0)
        confidence = np.take_along_axis(probabilities, predicted[None], axis=0)[0]
        bins = (confidence.astype(np.float64) * self.bins).astype(np.int64)
        # A probability may round to above 1 by the tolerance.
        bins = np.minimum(bins, self.bins - 1)
        cells = predicted * self.bins + bins
        size = c * self.bins
        self._pixels += np.bincount(cells, minlength=size)
        for k in range(c):
            self._sums[k] += np.bincount(cells, weights=probabilities[k], minlength=size)
        if labels is None:
            self._unlabelled += len(cells)
        else:
            counts = np.bincount(labels * size + cells, minlength=c * size)
            self._labels += counts.reshape(c, size)

    def _weighted(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """(C, bins) weights that pick, of each class, the pixels between two quantiles, and (C,) sums.

        At least one pixel is picked where there is one. Of a bin that only partly lies between them,
        each pixel counts in part.
        """
        pixels = self._pixels.reshape(self.num_classes, self.bins)
        total = pixels.sum(axis=1)
        # A window narrower than one pixel grows around its middle, and stays inside.
        width = np.maximum((high - low) * total, np.minimum(total, 1))
        start = np.clip((low + high) / 2 * total - width / 2, 0, total - width)[:, None]
        stop = start + width[:, None]
        upper = pixels.cumsum(axis=1)
        inside = np.minimum(upper, stop) - np.maximum(upper - pixels, start)
        return _divide(np.maximum(inside, 0), pixels), width

    def _mean_rows(self, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(C, C): of each predicted class the sums over its weighted cells."""
        c = self.num_classes
        cells = sums.reshape(c, c, self.bins).transpose(1, 0, 2)
        return (cells * np.nan_to_num(weights)[:, None]).sum(axis=2)

    def estimate(self, quantile: float = DEFAULT_QUANTILE) -> TransitionEstimate:
        """The model's mean probabilities at the pixels around a quantile of the confidence.

        Args:
            quantile: in [0, 1], among the pixels predicted as the class. Mean over the pixels from
                2.5 % below it to 2.5 % above it. High ones pick, among anchor points, those at
                which the model's errors favor the class; low ones pick pixels that are none.

        Returns:
            Without standard errors: the error is the model's, not the sample's.
        """
        quantile = check_rate("quantile", quantile)
        weights, width = self._weighted(
            max(quantile - _HALF_WINDOW, 0.0), min(quantile + _HALF_WINDOW, 1.0)
        )
        sums = self._mean_rows(self._sums, weights)
        matrix = _divide(sums, sums.sum(axis=1, keepdims=True))
        return TransitionEstimate(matrix, np.full(matrix.shape, np.nan), width)

    def label_estimate(self, top_share: float = DEFAULT_TOP_SHARE) -> TransitionEstimate:
        """The noisy labels of the most confident pixels of each class, counted.

        Args:
            top_share: in (0, 1], of the pixels predicted as the class.

        Returns:
            With binomial standard errors: those of the counting, not of the choice of the pixels.

        Raises:
            ValueError: there are pixels without labels, or ``top_share`` is out of range.
        """
        if check_rate("top_share", top_share) == 0:
            raise ValueError("top_share must lie in (0, 1], got 0.0")
        if self._unlabelled[0]:
            raise ValueError(
                f"{int(self._unlabelled[0])} pixels came without noisy labels, which are to be counted"
            )
        weights, _ = self._weighted(1.0 - top_share, 1.0)
        return transition_matrix_from_counts(self._mean_rows(self._labels, weights))


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
