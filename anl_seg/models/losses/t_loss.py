"""T-Loss (Gonzalez-Jimenez et al., MICCAI 2023) and our extension of it to several classes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from anl_seg.functional._pixels import Pixels
from anl_seg.functional.t_loss import multiclass_t_loss, t_loss
from anl_seg.models.losses.region_loss import RegionLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class TLoss(RegionLoss):
    """T-Loss for two classes: each image's errors as one draw of a Student t with learnable nu.

    ``nu``, the log of the degrees of freedom, is a parameter of the model: it is trained, saved and
    subject to weight decay (exempt it by
    ``paramwise_cfg=dict(custom_keys={'loss_decode': dict(decay_mult=0.0)})``). ``mean`` is the images'
    losses added and divided by the number of their valid pixels, as with every loss here; the published
    loss is the mean over images (``per_image=True``), about H x W times larger. Adam and its kin do
    not feel the factor; with SGD it asks for another learning rate or clipped gradients, and
    without it nu moves slowly. A perfect prediction has a loss below 0.

    Args:
        nu: start of nu; exp(nu) degrees of freedom.
        epsilon: positive.
        log_precision: log of the precision of every pixel's error: 1 in the published code, 0 in the
            paper.
        per_image: ``mean`` is the mean over images, as published.
        kwargs: arguments of :class:`PixelLoss`; ``class_weight`` weighs pixels by their label.
    """

    default_name = "loss_t"
    function = t_loss

    def __init__(
        self,
        nu: float = 1.0,
        epsilon: float = 1e-8,
        log_precision: float = 1.0,
        per_image: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not math.isfinite(nu):
            raise ValueError(f"nu must be a finite number; got {nu}.")
        self.nu = nn.Parameter(torch.tensor(float(nu), dtype=torch.float32))
        self.set_parameters(epsilon=epsilon, log_precision=log_precision, per_image=per_image)

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {**super().arguments(px, weight), "nu": self.nu}


@MODELS.register_module()
class MulticlassTLoss(TLoss):
    """Our extension of T-Loss to any number of classes, not published; with two it is T-Loss.

    The squared error of a pixel is half the squared distance of its probabilities to the one-hot label.

    Arguments are those of :class:`TLoss`.
    """

    default_name = "loss_multiclass_t"
    function = multiclass_t_loss
