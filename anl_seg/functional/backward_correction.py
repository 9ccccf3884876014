"""Backward loss correction by a noise transition matrix (Patrini et al., CVPR 2017)."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from anl_seg.functional._label_rows import check_square, label_rows
from anl_seg.functional._per_pixel import Allowed, per_pixel
from anl_seg.functional._pixels import Pixels

#: Largest condition number of a matrix that is inverted. Beyond it the weights of the loss reach a
#: million and estimation error of the matrix, or float32, is all that is left of them.
MAX_CONDITION = 1e6


def invert_transition_matrix(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a transition matrix, in float64.

    Args:
        matrix: (C, C) probabilities T[true, noisy].

    Raises:
        ValueError: the matrix is singular, or so nearly that its condition number exceeds 1e6.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    condition = np.linalg.cond(matrix)
    if not condition <= MAX_CONDITION:
        raise ValueError(
            f"the transition matrix cannot be inverted: its condition number is {condition:.3g}, "
            f"allowed is up to {MAX_CONDITION:.0e}. Two true classes have (nearly) the same noisy "
            "labels; forward correction needs no inverse."
        )
    return np.linalg.inv(matrix)


@per_pixel(
    min_prob=Allowed("lie in [0, 1), 0 for no clamp", lambda value: 0.0 <= value < 1.0),
)
def backward_correction(px: Pixels, *, inverse: Tensor, min_prob: float = 1e-7) -> Tensor:
    """``sum_k inv(T)[y, k] l_k`` per pixel, l_k = -log max(p_k, min_prob).

    Unbiased: its mean over the noisy labels of a clean one is cross entropy with the clean label
    (Patrini et al. 2017, theorem 1). The inverse has negative entries, so the loss of a pixel may
    be negative, and without the clamp it has no lower bound. The clamp is the authors' code's; a
    class below it passes no gradient. The identity gives cross entropy (clamped).

    Args:
        inverse: (C, C) inverse of T[true, noisy], from :func:`invert_transition_matrix`.
        min_prob: lower clamp of the probabilities, in [0, 1); 0 is none.
    """
    check_square("inverse", inverse, px.num_classes)
    log_p = px.log_probs()
    if min_prob > 0.0:
        log_p = log_p.clamp(min=math.log(min_prob))
    return -(label_rows(inverse.detach().to(px.logits), px) * log_p).sum(dim=1)
