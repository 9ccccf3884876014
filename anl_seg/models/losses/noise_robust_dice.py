"""Noise-robust Dice loss (Wang et al., TMI 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional.noise_robust_dice import check_dice, noise_robust_dice
from anl_seg.models.losses.region_loss import RegionLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NoiseRobustDiceLoss(RegionLoss):
    """Noise-robust Dice, sum |p - g|^gamma / sum (p^2 + g^2), mean over the classes with a label.

    ``mean`` is the loss; ``sum`` is it times the sum of the weights, ``none`` each pixel's share.
    ``class_weight`` weighs the classes' terms, not the pixels.

    Args:
        gamma: in [1, 2]; 2 is Dice with squares, 1 the most tolerant; 1.5 in the paper.
        epsilon: positive, in the denominator.
        per_image: one region per image and the mean over images; otherwise the batch is one region.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_noise_robust_dice"
    parameter_names = ("gamma", "epsilon", "per_image")

    def __init__(
        self,
        gamma: float = 1.5,
        epsilon: float = 1e-5,
        per_image: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_dice(gamma, epsilon)
        self.gamma = float(gamma)
        self.epsilon = float(epsilon)
        self.per_image = per_image
        # Out of reach of PixelLoss, which would make them weights of the pixels.
        self.term_weight, self.class_weight = self.class_weight, None

    def pixel_loss(
        self, logits: Tensor, target: Tensor, ignore_index: int, weight: Tensor | None = None
    ) -> Tensor:
        """See :func:`anl_seg.functional.noise_robust_dice`."""
        return noise_robust_dice(
            logits,
            target,
            gamma=self.gamma,
            epsilon=self.epsilon,
            per_image=self.per_image,
            weight=weight,
            class_weight=None if self.term_weight is None else self.term_weight.like(logits),
            ignore_index=ignore_index,
        )
