"""How frequent the classes really are, from how frequent they are in noisy masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from anl_seg.noise.transition_matrix import load_transition_matrix

#: Weight of "the frequencies sum to 1" beside the C equations of the classes.
_SUM_WEIGHT = 1e4


def clean_class_frequencies(noisy: Sequence[float], matrix: object) -> np.ndarray:
    """The class frequencies of clean masks whose noisy ones have the frequencies ``noisy``.

    Noise of the transition matrix T makes frequencies pi to T^T pi. This is solved for pi in the least
    squares, over the frequencies that are 0 or more and sum to 1; where the equation has such a solution
    and T full rank, it is that one.

    Args:
        noisy: (C,), how often each class is a label: pixels or shares, 0 or more, not all 0.
        matrix: T[true, noisy], (C, C), or the path of its file.

    Returns:
        (C,) float64, 0 or more, sum 1.

    Raises:
        FileNotFoundError: the path names no file.
        ValueError: frequencies or matrix are not what they should be, or do not fit each other.
    """
    T = load_transition_matrix(matrix)
    given = np.asarray(noisy, dtype=np.float64)
    if given.shape != (len(T),):
        raise ValueError(
            f"noisy must have {len(T)} numbers, one per class of the matrix; got shape {given.shape}."
        )
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise ValueError(f"noisy must be 0 or more, finite and not all 0; got {given.tolist()}.")
    rank = np.linalg.matrix_rank(T)
    if rank < len(T):
        raise ValueError(
            f"the transition matrix has rank {rank} of {len(T)}: different clean frequencies give the same "
            "noisy ones."
        )
    share = given / given.sum()
    rows = np.vstack([T.T, np.full(len(T), _SUM_WEIGHT)])
    found, _ = nnls(rows, np.append(share, _SUM_WEIGHT))
    return found / found.sum()
