"""The pixels at which a model trained on noisy masks shows their noise."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_integer, check_mask, check_paired_classes, check_rate

from .estimate import TransitionEstimate, share_of, transition_matrix_from_counts

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
        return share_of(np.maximum(inside, 0), pixels), width

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
        matrix = share_of(sums, sums.sum(axis=1, keepdims=True))
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
