"""Class-conditional noise: each pixel redrawn from the row of its true class."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import MaskContext, MaskNoise, as_function, register_noise
from .sample_rng import Rng
from .transition_matrix import check_size, load_transition_matrix

# Draws in [0, 1) are sorted into so many buckets; a power of two, so that sorting them is exact.
_BUCKETS = 256


@register_noise(
    example=dict(matrix=[[1, 0, 0, 0], [0.3, 0.7, 0, 0], [0, 0, 0.7, 0.3], [0, 0, 0.3, 0.7]]),
    no_noise=dict(matrix=np.eye(4)),
)
class TransitionMatrixNoise(MaskNoise):
    """Redraw each valid pixel of class k from the probabilities ``matrix[k]``.

    Args:
        matrix: T[true, noisy], (C, C) probabilities; rows sum to 1 (within 1e-6). An array, a
            nested list or the path of a ``.npy``, ``.json`` or ``.csv`` file. The expected share of
            wrong pixels, of valid pixels, is the sum over k of share(k) (1 - T[k, k]).

    Random numbers: draws one uniform number per pixel, ignored pixels included.

    Raises:
        FileNotFoundError: ``matrix`` is a path that names no file.
        ValueError: the matrix is no transition matrix or of another size than ``num_classes``, or a
            label is out of range.

    Source: Natarajan et al., NeurIPS 2013; Patrini et al., CVPR 2017.
    """

    def __init__(self, matrix: object) -> None:
        self.matrix = load_transition_matrix(matrix)

    def parameters(self) -> dict[str, Any]:
        return {"matrix": self.matrix.tolist()}

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        check_size(self.matrix, context.num_classes)
        draw = rng.random(mask.shape)
        # Numbers of 32 bits: numpy turns floats into those thirty times faster than into 64 bits.
        labels = np.where(valid, mask, 0).astype(np.int32)
        # Dividing by the sum spreads its tolerated error over the row and makes the last bound exactly
        # 1. Draws are below 1, so each falls in a class; class j is drawn if bound j - 1 <= draw <
        # bound j, which never holds for a class of probability 0.
        bounds = np.cumsum(self.matrix, axis=1)
        bounds /= bounds[:, -1:]
        new = _class_of_bucket(bounds)[labels * _BUCKETS + (draw * _BUCKETS).astype(np.int32)]
        unsure = np.flatnonzero(new < 0)
        unsure_labels, unsure_draw = np.take(labels, unsure), np.take(draw, unsure)
        for label in np.flatnonzero(np.bincount(unsure_labels)).tolist():
            own = unsure_labels == label
            drawn = np.searchsorted(bounds[label], unsure_draw[own], side="right")
            new.reshape(-1)[unsure[own]] = drawn
        return np.where(valid, new.astype(mask.dtype), mask)


transition_matrix_noise = as_function(TransitionMatrixNoise)


def _class_of_bucket(bounds: np.ndarray) -> np.ndarray:
    """The class of all draws in a bucket, or -1 where a bound lies in it; one row per true class.

    Looking a bucket up is several times faster than searching the bounds for each pixel.
    """
    edges = np.arange(_BUCKETS + 1) / _BUCKETS
    table = np.empty((len(bounds), _BUCKETS), dtype=np.int32)
    for row, own in zip(table, bounds):
        first = np.searchsorted(own, edges[:-1], side="right")
        last = np.searchsorted(own, edges[1:], side="left")
        row[:] = np.where(first == last, first, -1)
    return table.reshape(-1)
