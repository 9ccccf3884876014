"""Class-conditional noise: each pixel redrawn from the row of its true class."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._checks import check_mask, check_rng
from .base import MaskNoise
from .transition_matrix import load_transition_matrix


def transition_matrix_noise(
    mask: np.ndarray,
    rng: np.random.RandomState | np.random.Generator,
    *,
    matrix: object,
    num_classes: int,
    ignore_index: int = 255,
) -> np.ndarray:
    """Redraw each valid pixel of class k from the probabilities ``matrix[k]``.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``.
        rng: draws one uniform number per pixel, ignored pixels included.
        matrix: T[true, noisy], (C, C) probabilities; rows sum to 1 (within 1e-6). An array, a
            nested list or the path of a ``.npy``, ``.json`` or ``.csv`` file. The expected share of
            wrong pixels, of valid pixels, is the sum over k of share(k) (1 - T[k, k]).
        num_classes: number of classes C, at least 2.
        ignore_index: label of the pixels to leave alone.

    Returns:
        A new array of the mask's shape and dtype.

    Raises:
        FileNotFoundError: ``matrix`` is a path that names no file.
        ValueError: the matrix is no transition matrix or of another size than ``num_classes``, or a
            label is out of range.

    Source: Natarajan et al., NeurIPS 2013; Patrini et al., CVPR 2017.
    """
    matrix = load_transition_matrix(matrix)
    check_rng(rng)
    valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
    if len(matrix) != num_classes:
        raise ValueError(
            f"the transition matrix is {len(matrix)} x {len(matrix)}, "
            f"the data has {num_classes} classes"
        )
    labels = mask.reshape(-1)
    draw = rng.random(mask.shape).reshape(-1)
    noisy = labels.copy()
    counts = np.bincount(labels[valid.reshape(-1)].astype(np.int64), minlength=num_classes)
    for label in np.flatnonzero(counts).tolist():
        pixels = np.flatnonzero(labels == label)
        # Dividing by the sum spreads its tolerated error over the row and makes the last bound
        # exactly 1. Draws are below 1, so each falls in a class; class j is drawn if bound j - 1 <=
        # draw < bound j, which never holds for a class of probability 0.
        bounds = np.cumsum(matrix[label])
        bounds /= bounds[-1]
        noisy[pixels] = np.searchsorted(bounds, draw[pixels], side="right")
    return noisy.reshape(mask.shape)


class TransitionMatrixNoise(MaskNoise):
    """:func:`transition_matrix_noise` with a fixed matrix.

    Args:
        matrix: T[true, noisy], (C, C) probabilities, rows sum to 1 (within 1e-6). An array, a
            nested list or the path of a ``.npy``, ``.json`` or ``.csv`` file, read at once:
            :meth:`config` and the seed depend on the numbers, not on where they were stored.
    """

    def __init__(self, matrix: object) -> None:
        self.matrix = load_transition_matrix(matrix)

    def parameters(self) -> dict[str, Any]:
        return {"matrix": self.matrix.tolist()}

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        return transition_matrix_noise(
            mask, rng, matrix=self.matrix, num_classes=num_classes, ignore_index=ignore_index
        )
