"""Wrong masks on purpose: functions from a clean mask to a noisy one.

Only numpy, scipy and OpenCV are needed; nothing here imports torch or MMSegmentation. See
``docs/noise_models.md``.
"""

from __future__ import annotations

from .affine_noise import AffineNoise, affine_noise
from .alpha_beta_noise import AlphaBetaNoise, alpha_beta_noise
from .band_noise import BandNoise, band_noise
from .base import NOISES, MaskNoise, register_noise
from .bounding_box_noise import BoundingBoxNoise, bounding_box_noise
from .build import build_noise
from .class_swap_noise import ClassSwapNoise, class_swap_noise
from .clean_class_frequencies import clean_class_frequencies
from .dilate_noise import DilateNoise, dilate_noise
from .elastic_noise import ElasticNoise, elastic_noise
from .erode_noise import ErodeNoise, erode_noise
from .instance_dependent_noise import InstanceDependentNoise, instance_dependent_noise
from .markov_boundary_noise import MarkovBoundaryNoise, markov_boundary_noise
from .missing_object_noise import MissingObjectNoise, missing_object_noise
from .object_shapes import object_shapes, save_object_shapes
from .pair_noise import PairNoise, pair_noise
from .polygon_noise import PolygonNoise, polygon_noise
from .presets import PRESETS
from .random_choice_noise import RandomChoiceNoise, random_choice_noise
from .sample_rng import sample_key, sample_rng
from .sequential_noise import SequentialNoise, sequential_noise
from .spurious_object_noise import SpuriousObjectNoise, spurious_object_noise
from .statistics import NoiseStatistics, noise_statistics
from .superpixel_noise import SuperpixelNoise, superpixel_noise
from .superpixels import superpixels
from .symmetric_noise import SymmetricNoise, symmetric_noise
from .transition_matrix import load_transition_matrix
from .transition_matrix_noise import TransitionMatrixNoise, transition_matrix_noise
from .vertex_noise import VertexNoise, vertex_noise

__all__ = [
    "NOISES",
    "PRESETS",
    "AffineNoise",
    "AlphaBetaNoise",
    "BandNoise",
    "BoundingBoxNoise",
    "ClassSwapNoise",
    "DilateNoise",
    "ElasticNoise",
    "ErodeNoise",
    "InstanceDependentNoise",
    "MarkovBoundaryNoise",
    "MaskNoise",
    "MissingObjectNoise",
    "NoiseStatistics",
    "PairNoise",
    "PolygonNoise",
    "RandomChoiceNoise",
    "SequentialNoise",
    "SpuriousObjectNoise",
    "SuperpixelNoise",
    "SymmetricNoise",
    "TransitionMatrixNoise",
    "VertexNoise",
    "affine_noise",
    "alpha_beta_noise",
    "band_noise",
    "bounding_box_noise",
    "build_noise",
    "class_swap_noise",
    "clean_class_frequencies",
    "dilate_noise",
    "elastic_noise",
    "erode_noise",
    "instance_dependent_noise",
    "load_transition_matrix",
    "markov_boundary_noise",
    "missing_object_noise",
    "noise_statistics",
    "object_shapes",
    "pair_noise",
    "polygon_noise",
    "random_choice_noise",
    "register_noise",
    "sample_key",
    "sample_rng",
    "save_object_shapes",
    "sequential_noise",
    "spurious_object_noise",
    "superpixel_noise",
    "superpixels",
    "symmetric_noise",
    "transition_matrix_noise",
    "vertex_noise",
]
