"""Objects that were given the wrong name."""

from __future__ import annotations

from typing import Any

import numpy as np

from anl_seg._checks import (
    check_background,
    check_flag,
    check_per_class,
    check_rate,
    value_per_class,
)

from .base import MaskContext, MaskNoise, as_function, register_noise
from .objects import MaskObjects
from .sample_rng import Rng
from .transition_matrix import check_size, load_transition_matrix


@register_noise(example=dict(rate=0.5), no_noise=dict(rate=0))
class ClassSwapNoise(MaskNoise):
    """Give whole objects another class.

    An object is an 8-connected region of one class. With ``rate`` it changes with that probability
    to one of the other classes, all equally likely; the background is never drawn. Where there is
    no other class (two classes, one of them the background) every object stays. With ``matrix`` it
    is redrawn from the row of its class, and vanishes into the background if the matrix says so.
    Shapes stay as they are.

    Args:
        rate: probability of a swap in [0, 1], one for all or a list of one per class (the
            background's is not used); of the objects of each class.
        matrix: T[true, noisy], (C, C) probabilities; rows sum to 1 (within 1e-6). An array, a
            nested list or the path of a ``.npy``, ``.json`` or ``.csv`` file. 1 - T[k, k] is the
            expected share of wrong objects, of the objects of class k. The background's row is not
            used.
        may_keep: with ``rate``, draw from all classes but the background, the true one included:
            only a share rate (K - 1) / K of the objects changes, K the number of these classes.
        per_object: False makes all objects of a class change together.
        background: the class that has no objects; None if every class has.

    Random numbers: draws two uniform numbers per object.

    Raises:
        FileNotFoundError: ``matrix`` is a path that names no file.
        ValueError: not exactly one of ``rate`` and ``matrix`` is given, ``may_keep`` goes with a
            matrix, or a parameter or a label is out of range.

    Source: Kimhi et al., 2024 (COCO-N, arXiv 2406.10891), there with ``may_keep``.
    """

    strength_name = "rate"
    # The objects swapped at a larger rate include those at a smaller one, and swap alike.
    nested_in = ("rate",)

    def __init__(
        self,
        rate: float | list[float] | None = None,
        matrix: object = None,
        may_keep: bool = False,
        per_object: bool = True,
        background: int | None = 0,
    ) -> None:
        self.rate, self.matrix, self.may_keep = _check_swap(rate, matrix, may_keep)
        self.per_object = check_flag("per_object", per_object)
        self.background = check_background(background)

    def parameters(self) -> dict[str, Any]:
        parameters = super().parameters()
        if self.matrix is not None:
            parameters["matrix"] = self.matrix.tolist()
        return parameters

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        num_classes = context.num_classes
        if self.matrix is not None:
            check_size(self.matrix, num_classes)
        objects = MaskObjects(mask, valid, background=self.background, per_object=self.per_object)
        draw = rng.random((len(objects), 2))
        labels = objects.labels
        if self.matrix is None:
            rates = np.array(value_per_class("rate", self.rate, num_classes), dtype=np.float64)
            classes = np.array(
                [k for k in range(num_classes) if k != self.background], dtype=np.int64
            )
            target = _uniform_class(labels, draw[:, 1], classes, self.may_keep)
            new = np.where(draw[:, 0] < rates[labels], target, labels)
        else:
            new = _class_by_row(labels, draw[:, 1], self.matrix)
        table = np.zeros(len(objects) + 1, dtype=mask.dtype)
        table[1:] = new
        return np.where(objects.components > 0, table[objects.components], mask)


class_swap_noise = as_function(ClassSwapNoise)


def _uniform_class(
    labels: np.ndarray, draw: np.ndarray, classes: np.ndarray, may_keep: bool
) -> np.ndarray:
    """One of the sorted ``classes`` for each label, but its own only with ``may_keep``."""
    # Draws are multiples of 2^-53 below 1: their product with a count never rounds up to it.
    if may_keep:
        return classes[(draw * len(classes)).astype(np.int64)]
    if len(classes) == 1:
        return labels
    step = (draw * (len(classes) - 1)).astype(np.int64)
    return classes[step + (step >= np.searchsorted(classes, labels))]


def _class_by_row(labels: np.ndarray, draw: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A class for each label, drawn from its row of the matrix."""
    new = labels.copy()
    for label in np.unique(labels).tolist():
        # As in transition_matrix_noise: the last bound is exactly 1, and a class of probability 0
        # is never drawn.
        bounds = np.cumsum(matrix[label])
        bounds /= bounds[-1]
        own = labels == label
        new[own] = np.searchsorted(bounds, draw[own], side="right")
    return new


def _check_swap(
    rate: object, matrix: object, may_keep: object
) -> tuple[float | list[float] | None, np.ndarray | None, bool]:
    """The three parameters that depend on each other, checked."""
    may_keep = check_flag("may_keep", may_keep)
    if (rate is None) == (matrix is None):
        given = "neither" if rate is None else f"rate {rate!r} and a matrix"
        raise ValueError(f"a class swap takes exactly one of rate and matrix, got {given}")
    if matrix is None:
        return check_per_class("rate", rate, check_rate), None, may_keep
    if may_keep:
        raise ValueError(
            "may_keep goes with a rate only, got it with a matrix: how often a class is kept "
            "stands on the diagonal"
        )
    return None, load_transition_matrix(matrix), may_keep
