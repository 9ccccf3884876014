"""The weights of ``mass_balance`` without a softmax of the logits' size."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional import mass_balance as functional_mass_balance
from anl_seg.functional._labels import valid_mask
from anl_seg.functional._pixels import check_shapes
from anl_seg.functional.mass_balance import check_mass_balance, class_factors, with_mean_1
from anl_seg.kernels import compiled
from anl_seg.kernels.dispatch import use_fused


@torch.no_grad()
def mass_balance(
    logits: Tensor,
    target: Tensor,
    exponent: float = 1.0,
    ignore_index: int = 255,
    *,
    kernels: str = "auto",
) -> Tensor:
    """:func:`anl_seg.functional.mass_balance`, compiled where it can be.

    The logits are read twice: once for the masses of the classes, once for the weights. On CUDA, for
    float64 and for logits whose pixels do not lie side by side it is the functional form.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        exponent: in [0, 1].
        ignore_index: label of pixels that do not count.
        kernels: one of :data:`anl_seg.kernels.dispatch.CHOICES`; ``fused`` does not insist here.

    Returns:
        (N, *), mean 1 over the valid pixels; float32, or float64 for float64 logits.

    Raises:
        ValueError: ``exponent`` or a label out of range, shapes that do not fit.
    """
    check_mass_balance(exponent)
    check_shapes(logits, target)
    pixels = logits.flatten(2) if logits.dim() > 2 else logits.unsqueeze(2)
    if not (use_fused(logits, kernels) and not logits.is_cuda and compiled.serves(pixels, ())):
        return functional_mass_balance(logits, target, exponent, ignore_index)
    classes = max(logits.shape[1], 2)
    count = valid_mask(target, classes, ignore_index).sum().clamp(min=1)
    weight = compiled.class_weights(
        pixels,
        target.reshape(len(target), -1).long(),
        ignore_index,
        lambda mass: class_factors(mass, count, exponent),
    )
    return with_mean_1(weight, count).view(target.shape)
