"""The weights of ``mass_balance`` without a softmax of the logits' size."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._pixels import (
    Pixels,
    class_factors,
    flat_labels,
    flat_pixels,
    with_mean_1,
)
from anl_seg.functional.mass_balance import check_mass_balance, pixel_factors
from anl_seg.kernels import compiled
from anl_seg.kernels.dispatch import use_fused


def mass_balance(
    logits: Tensor,
    target: Tensor,
    exponent: float = 1.0,
    ignore_index: int = 255,
    *,
    kernels: str = "auto",
) -> Tensor:
    """:func:`anl_seg.functional.mass_balance` by a kernel where there is one.

    The logits are read twice: once for the masses of the classes, once for the weights. On a CPU float64,
    and logits whose pixels do not lie side by side, take the functional form.

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
    px = Pixels(logits, target, ignore_index)
    return mass_balance_of(px, exponent, use_fused(logits, kernels))


@torch.no_grad()
def mass_balance_of(px: Pixels, exponent: float, fused: bool) -> Tensor:
    """:func:`mass_balance` of a batch that is checked already; ``fused``: by a kernel where there is one."""
    logits = px.given
    if not fused:
        return pixel_factors(px, exponent)
    count = px.count()

    def factors(mass: Tensor) -> Tensor:
        return class_factors(mass, count, exponent)

    if logits.is_cuda:
        from anl_seg.kernels import cuda

        return with_mean_1(cuda.class_weights(logits, px.target, px.ignore_index, factors), count)
    pixels = flat_pixels(logits)
    if not compiled.serves(pixels, ()):
        return pixel_factors(px, exponent)
    labels = flat_labels(px.target).long()
    weight = compiled.class_weights(pixels, labels, px.ignore_index, factors)
    return with_mean_1(weight, count).view(px.target.shape)
