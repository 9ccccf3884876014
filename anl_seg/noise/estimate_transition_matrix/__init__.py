"""Which noise do masks carry? Transition matrices from clean masks beside noisy ones, or from anchor points.

The estimate describes class-conditional noise: each pixel's label is drawn from the row of its true
class. Masks whose wrong pixels hang together (outlines, objects) have such a matrix too, but it does
not describe them; :meth:`TransitionCounts.clumping` tells the two apart.
"""

from __future__ import annotations

from .anchor_points import DEFAULT_QUANTILE, DEFAULT_TOP_SHARE, AnchorPoints
from .counts import Clumping, TransitionCounts
from .estimate import TransitionEstimate, transition_matrix_from_counts
from .simple_noise import SimpleNoise, simple_noises

__all__ = [
    "DEFAULT_QUANTILE",
    "DEFAULT_TOP_SHARE",
    "AnchorPoints",
    "Clumping",
    "SimpleNoise",
    "TransitionCounts",
    "TransitionEstimate",
    "simple_noises",
    "transition_matrix_from_counts",
]
