"""The alpha / beta protocol: a share of the samples, corrupted at one strength."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_background, check_flag, check_number, check_rate

from .affine_noise import affine_noise
from .base import MaskContext, MaskNoise, as_function, register_noise
from .dilate_noise import dilate_noise
from .erode_noise import erode_noise
from .sample_rng import Rng


@register_noise(example=dict(alpha=1, beta=0.5), no_noise=dict(alpha=0, beta=0.5))
class AlphaBetaNoise(MaskNoise):
    """With probability ``alpha``, dilate, erode or move all objects of the mask.

    The three have equal chances; the one drawn is applied at strength ``beta``. Whether the sample
    is hit is decided by the first number drawn, u < alpha, and nothing drawn later depends on
    alpha: with the same generator a sample that is hit at one alpha is hit by the same corruption
    at every larger one.

    Args:
        alpha: probability of a hit in [0, 1]; of samples.
        beta: strength in [0, 1] (an object cannot shrink by more); of each object's clean area.
        max_angle: largest turn of the affine kind in degrees, in [0, 180].
        background: the class that has no objects; None if every class has.
        per_object: whether each region is an object of its own; False takes all pixels of a class
            as one object.

    Random numbers: draws the hit, the kind and what :func:`dilate_noise`, :func:`erode_noise` or
    :func:`affine_noise` draw.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Gonzalez-Jimenez et al., MICCAI 2023; Gao et al., 2022.
    """

    strength_name = "beta"
    # The samples hit at a larger alpha include those hit at a smaller one, and are hit alike.
    nested_in = ("alpha", "per_object")

    def __init__(
        self,
        alpha: float,
        beta: float,
        max_angle: float = 30.0,
        background: int | None = 0,
        per_object: bool = True,
    ) -> None:
        self.alpha = check_rate("alpha", alpha)
        self.beta = check_rate("beta", beta)
        self.max_angle = check_number("max_angle", max_angle, high=180)
        self.background = check_background(background)
        self.per_object = check_flag("per_object", per_object)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        hit, kind = float(rng.random()) < self.alpha, int(float(rng.random()) * 3)
        if not hit:
            return mask.copy()
        shared = {
            "beta": self.beta,
            "num_classes": context.num_classes,
            "background": self.background,
            "per_object": self.per_object,
            "ignore_index": context.ignore_index,
        }
        if kind == 0:
            return dilate_noise(mask, rng, **shared)
        if kind == 1:
            return erode_noise(mask, rng, **shared)
        return affine_noise(mask, rng, max_angle=self.max_angle, **shared)


alpha_beta_noise = as_function(AlphaBetaNoise)
