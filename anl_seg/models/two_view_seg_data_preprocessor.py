"""A data preprocessor that gives every training image twice, once with its gray values changed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from anl_seg.models.noisy_seg_data_preprocessor import NoisySegDataPreProcessor
from anl_seg.registry import MODELS


@MODELS.register_module()
class TwoViewSegDataPreProcessor(NoisySegDataPreProcessor):
    """In training, a batch of N images becomes 2 N: the images, then a second view of each.

    Image i and image i + N are the same pixels with the same labels (and clean labels, where a sample
    has them), as ``GJSLoss(views=2)`` asks for. The second view x' of a normalized image x is
    photometric only::

        x' = c x + b + n,  c in [1 - contrast, 1 + contrast], b in [-brightness, brightness] uniform,
                           n Gaussian with standard deviation ``noise``

    with one c and b per image and one n per pixel and channel, all in units of the data set's standard
    deviation (after ``mean`` and ``std``), so that contrast is about its mean. Padding is changed with
    the rest. The draws are from torch's global generators, which mmengine seeds. In validation and
    test nothing is added or changed.

    The network sees 2 N images, so memory and time are those of twice the batch size, and so are the
    statistics of batch normalization. The published second view is RandAugment and Cutout on 32 x 32
    images; the three changes here and their defaults are our choice.

    Args:
        brightness: largest shift, 0 or more.
        contrast: largest relative change of the distance to the mean, in [0, 1).
        noise: standard deviation of the noise, 0 or more.
        kwargs: arguments of mmseg's ``SegDataPreProcessor``; ``mean`` and ``std`` are needed.

    Raises:
        ValueError: a number outside its range, or no ``mean`` and ``std``.
    """

    def __init__(
        self,
        *,
        brightness: float = 0.2,
        contrast: float = 0.2,
        noise: float = 0.05,
        **kwargs: Any,
    ) -> None:
        for name, value in (("brightness", brightness), ("noise", noise)):
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be a finite number, 0 or more; got {value}.")
        if not 0.0 <= contrast < 1.0:
            raise ValueError(f"contrast must lie in [0, 1); got {contrast}.")
        if kwargs.get("mean") is None or kwargs.get("std") is None:
            raise ValueError(
                "mean and std are needed: the second view is changed in units of std; got "
                f"mean={kwargs.get('mean')}, std={kwargs.get('std')}."
            )
        super().__init__(**kwargs)
        self.brightness, self.contrast, self.noise = map(float, (brightness, contrast, noise))

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Preprocess a batch and, in training, append the second views."""
        data = super().forward(data, training)
        if training:
            data["inputs"] = torch.cat([data["inputs"], self.second_view(data["inputs"])])
            samples = data["data_samples"]
            # Objects of their own with the same maps: nothing after this changes a map in place.
            data["data_samples"] = [*samples, *(sample.new() for sample in samples)]
        return data

    def second_view(self, inputs: Tensor) -> Tensor:
        """A photometric change of normalized images (N, C, H, W)."""
        # On the CPU, so that the same seed gives the same changes on every device.
        shares = torch.rand(2, len(inputs), 1, 1, 1, dtype=torch.float32, device="cpu")
        contrast, brightness = 2.0 * shares - 1.0
        result = inputs * (1.0 + self.contrast * contrast.to(inputs))
        result = result + self.brightness * brightness.to(inputs)
        return result + self.noise * torch.randn_like(inputs) if self.noise else result
