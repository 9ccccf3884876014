"""Wrong masks on purpose: functions from a clean mask to a noisy one.

Only numpy, scipy and OpenCV are needed; nothing here imports torch or MMSegmentation. See
``docs/noise_models.md``.
"""

from __future__ import annotations

from .affine_noise import AffineNoise, affine_noise
from .alpha_beta_noise import AlphaBetaNoise, alpha_beta_noise
from .base import MaskNoise
from .build import NOISES, build_noise
from .dilate_noise import DilateNoise, dilate_noise
from .erode_noise import ErodeNoise, erode_noise
from .pair_noise import PairNoise, pair_noise
from .sample_rng import sample_key, sample_rng
from .statistics import NoiseStatistics, noise_statistics
from .symmetric_noise import SymmetricNoise, symmetric_noise
from .transition_matrix import load_transition_matrix
from .transition_matrix_noise import TransitionMatrixNoise, transition_matrix_noise

__all__ = [
    "NOISES",
    "AffineNoise",
    "AlphaBetaNoise",
    "DilateNoise",
    "ErodeNoise",
    "MaskNoise",
    "NoiseStatistics",
    "PairNoise",
    "SymmetricNoise",
    "TransitionMatrixNoise",
    "affine_noise",
    "alpha_beta_noise",
    "build_noise",
    "dilate_noise",
    "erode_noise",
    "load_transition_matrix",
    "noise_statistics",
    "pair_noise",
    "sample_key",
    "sample_rng",
    "symmetric_noise",
    "transition_matrix_noise",
]
