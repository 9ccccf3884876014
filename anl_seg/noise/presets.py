"""Noise of published studies, by name and with the parameters of the papers."""

from __future__ import annotations

from typing import Any

from anl_seg._checks import check_rate

from .alpha_beta_noise import AlphaBetaNoise
from .band_noise import BandNoise
from .base import MaskNoise
from .build import PRESETS, register_preset
from .class_swap_noise import ClassSwapNoise
from .elastic_noise import ElasticNoise
from .markov_boundary_noise import MarkovBoundaryNoise
from .missing_object_noise import MissingObjectNoise
from .polygon_noise import PolygonNoise
from .random_choice_noise import RandomChoiceNoise
from .sequential_noise import SequentialNoise
from .spurious_object_noise import SpuriousObjectNoise
from .vertex_noise import VertexNoise

__all__ = ["PRESETS"]


@register_preset
def alpha_beta(alpha: float, beta: float) -> MaskNoise:
    """A share ``alpha`` of the samples dilated, eroded or moved by ``beta`` of each object's area.

    The studies use alpha in {0.3, 0.5, 0.7} and beta in {0.5, 0.7}.

    Source: Gonzalez-Jimenez et al. (T-Loss), MICCAI 2023; Gao et al. (superpixel-guided), 2022.
    """
    return AlphaBetaNoise(alpha, beta)


def _markov_jsrt(theta1: float) -> MaskNoise:
    # Background, lung, heart, clavicle; the background's values are not used.
    return MarkovBoundaryNoise(
        steps=[0, 180, 180, 100], theta1=theta1, theta2=[0.0, 0.05, 0.05, 0.02], theta3=0.2
    )


@register_preset
def markov_jsrt_j1() -> MaskNoise:
    """Setting J1 of Yao et al., ICLR 2023: JSRT organs that wander outwards.

    Lung and heart: 180 steps, theta2 = 0.05; clavicle: 100 steps, theta2 = 0.02; theta1 = 0.8,
    theta3 = 0.2. For masks of 256 x 256 with the classes background, lung, heart, clavicle.
    """
    return _markov_jsrt(theta1=0.8)


@register_preset
def markov_jsrt_j2() -> MaskNoise:
    """Setting J2 of Yao et al., ICLR 2023: as :func:`markov_jsrt_j1`, inwards (theta1 = 0.2)."""
    return _markov_jsrt(theta1=0.2)


@register_preset
def band_jsrt_j3() -> MaskNoise:
    """Setting J3 of Yao et al., ICLR 2023: JSRT organs dilated or eroded by a band.

    Lung and heart by 7 to 9 pixels, clavicle by 3 to 5. For masks of 256 x 256 with the classes
    background, lung, heart, clavicle.
    """
    return BandNoise(low=[0, 7, 7, 3], high=[0, 9, 9, 5])


@register_preset
def markov_isic_i1() -> MaskNoise:
    """Setting I1 of Yao et al., ICLR 2023: skin lesions that wander inwards.

    200 steps, theta1 = 0.2, theta2 = 0.05, theta3 = 0.2. For masks of 256 x 256.
    """
    return MarkovBoundaryNoise(steps=200, theta1=0.2, theta2=0.05, theta3=0.2)


@register_preset
def markov_isic_i2() -> MaskNoise:
    """Setting I2 of Yao et al., ICLR 2023: as :func:`markov_isic_i1`, outwards (theta1 = 0.8)."""
    return MarkovBoundaryNoise(steps=200, theta1=0.8, theta2=0.05, theta3=0.2)


@register_preset
def band_isic_i3() -> MaskNoise:
    """Setting I3 of Yao et al., ICLR 2023: lesions dilated or eroded by 7 to 9 pixels."""
    return BandNoise(low=7, high=9)


_COCO_N = {
    # level: (share of objects per kind, tolerance, sigma, half the kernel, class flips)
    "easy": (0.2, 5, 2, 1, 0.2),
    "medium": (0.25, 10, 3, 2, 0.3),
    "hard": (0.3, 15, 4, 3, 0.4),
}


@register_preset
def coco_n(level: str) -> MaskNoise:
    """The benchmark COCO-N: objects of a wrong class, and with a wrong outline of one of three kinds.

    An object is relabelled with probability 0.2 / 0.3 / 0.4 (easy / medium / hard), to a class
    drawn from all but the background, its own included. Its outline is simplified, has its vertices
    moved, or is dilated or eroded by a square, each with probability 0.2 / 0.25 / 0.3: tolerance
    5 / 10 / 15, sigma 2 / 3 / 4 pixels, kernel 3 / 5 / 7. Here objects are 8-connected regions and
    keep their holes; there they are instances and lose them.

    Args:
        level: 'easy', 'medium' or 'hard'.

    Source: Kimhi et al., arXiv 2406.10891, and their published script.
    """
    share, tolerance, sigma, reach, flips = _level("coco_n", level, _COCO_N)
    square = BandNoise(reach + 0.5, reach + 0.5, metric="chessboard", per_object=True)
    return SequentialNoise(
        [
            RandomChoiceNoise(
                [None, PolygonNoise(tolerance), VertexNoise(sigma), square],
                weights=[1 - 3 * share, share, share, share],
                per_object=True,
            ),
            ClassSwapNoise(flips, may_keep=True),
        ]
    )


_OMISSION = {
    # level: (share of objects removed, added, with a wrong margin)
    "mild": (0.1, 0.0, 0.3),
    "moderate": (0.2, 0.05, 0.5),
    "severe": (0.3, 0.1, 0.7),
}


@register_preset
def omission(level: str) -> MaskNoise:
    """Objects missing, objects invented and margins wrong, as in a data set of building outlines.

    Of the objects, 10 / 20 / 30 % go missing (mild / moderate / severe), 0 / 5 / 10 % as many are
    invented, and 30 / 50 / 70 % are dilated or eroded. There the margin is a square of up to 5
    pixels applied up to 3 times, less for small objects; here a square of up to 3 pixels on each
    side for all (the mean there for objects of at least 400 pixels is 2). The names of the levels are ours.

    Args:
        level: 'mild', 'moderate' or 'severe'.

    Source: Tadokoro et al., arXiv 2504.14795, and their published script for WHU Building.
    """
    missing, spurious, margin = _level("omission", level, _OMISSION)
    band = BandNoise(1, 4, metric="chessboard", per_object=True)
    return SequentialNoise(
        [
            MissingObjectNoise(missing),
            RandomChoiceNoise([None, band], weights=[1 - margin, margin], per_object=True),
            SpuriousObjectNoise(spurious),
        ]
    )


@register_preset
def nsegment(probability: float = 0.5, min_area: int = 0) -> MaskNoise:
    """Elastic deformation by a pair (alpha, sigma) drawn from the set of NSegment.

    alpha from {1, 15, 30, 50, 100}, sigma from {3, 5, 10}, all 15 pairs equally likely. There each
    epoch draws anew, as augmentation; here a sample keeps its deformation.

    Args:
        probability: of a deformation, in [0, 1]; of samples.
        min_area: regions of at most so many pixels hold still; NSegment+ takes 1000.

    Source: Kim et al., "NSegment", 2025 (arXiv 2504.19634), and "NSegment+", 2025 (2508.10383).
    """
    probability = check_rate("probability", probability)
    pairs = [(alpha, sigma) for alpha in (1, 15, 30, 50, 100) for sigma in (3, 5, 10)]
    deformations = [ElasticNoise(alpha, sigma, min_area) for alpha, sigma in pairs]
    return RandomChoiceNoise(
        [None, *deformations],
        weights=[1 - probability, *[probability / len(pairs)] * len(pairs)],
    )


def _level(preset: str, level: object, levels: dict[str, Any]) -> Any:
    if not isinstance(level, str) or level not in levels:
        raise ValueError(f"level of {preset} must be one of {', '.join(levels)}, got {level!r}")
    return levels[level]
