"""Objects that were overlooked."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import (
    check_background,
    check_flag,
    check_per_class,
    check_rate,
    value_per_class,
)

from .base import MaskContext, MaskNoise, as_function, register_noise
from .fill import nearest_labels
from .objects import MaskObjects
from .sample_rng import Rng


@register_noise(example=dict(rate=0.5), no_noise=dict(rate=0))
class MissingObjectNoise(MaskNoise):
    """Let each object vanish with probability ``rate``.

    An object is an 8-connected region of one class. The pixels of the missing objects take the
    label of the nearest valid pixel that belongs to none of them, whatever its class. Where every
    valid pixel belongs to a missing object nothing is left to absorb them: the mask stays as it is.

    Each object has one uniform number u and is missing if u < rate: with the same generator the
    objects missing at one rate are missing at every larger one.

    Args:
        rate: probability in [0, 1], one for all or a list of one per class (the background's is not
            used); of the objects of each class.
        per_object: False makes all objects of a class vanish together.
        background: the class that has no objects; None if every class has.

    Random numbers: draws one uniform number per object.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Tadokoro et al., 2025 (arXiv 2504.14795), on two classes.
    """

    strength_name = "rate"
    # The objects missing at a larger rate include those at a smaller one.
    nested_in = ("rate",)

    def __init__(
        self, rate: float | list[float], per_object: bool = True, background: int | None = 0
    ) -> None:
        self.rate = check_per_class("rate", rate, check_rate)
        self.per_object = check_flag("per_object", per_object)
        self.background = check_background(background)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        rates = value_per_class("rate", self.rate, context.num_classes)
        objects = MaskObjects(mask, valid, background=self.background, per_object=self.per_object)
        draw = rng.random(len(objects))
        # By the number of the object; 0 is where there is none.
        missing = np.zeros(len(objects) + 1, dtype=bool)
        missing[1:] = draw < np.array(rates)[objects.labels]
        noisy = mask.copy()
        if missing.any():
            gone = missing[objects.components]
            source = valid & ~gone
            if source.any():
                noisy[gone] = nearest_labels(mask, source)[0][gone]
        return noisy


missing_object_noise = as_function(MissingObjectNoise)
