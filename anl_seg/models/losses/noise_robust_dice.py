"""Noise-robust Dice loss (Wang et al., TMI 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional.noise_robust_dice import noise_robust_dice
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
    function = noise_robust_dice

    def __init__(
        self,
        gamma: float = 1.5,
        epsilon: float = 1e-5,
        per_image: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(gamma=gamma, epsilon=epsilon, per_image=per_image)
        # Out of reach of PixelLoss, which would make them weights of the pixels.
        self.term_weight, self.class_weight = self.class_weight, None

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        weights = None if self.term_weight is None else self.term_weight.like(px.given)
        return {**super().arguments(px, weight), "class_weight": weights}
