"""Weights of pixels by the mass of the classes that are predicted there."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import SHARE
from anl_seg.functional._pixels import (
    Pixels,
    class_factors,
    full_logits,
    less_peak,
    with_mean_1,
)
from anl_seg.functional._precision import without_autocast


def check_mass_balance(exponent: float) -> None:
    """Raise ValueError unless ``exponent`` is in [0, 1]."""
    SHARE.check("mass_balance", exponent)


@without_autocast
def mass_balance(
    logits: Tensor, target: Tensor, exponent: float = 1.0, ignore_index: int = 255
) -> Tensor:
    """sum_k p_k / m_k^exponent, m_k the mean of p_k over the valid pixels of the batch; mean 1.

    At exponent 1 every class has the same share of all weights, however few pixels it is predicted
    at: a pixel that looks a little more like a rare class than others do counts for more. The weight is
    a function of the prediction and not of the label, so the expected gradient of a symmetric loss under
    symmetric noise stays a multiple of that of clean masks, which weights by label
    (``class_weight``) break. It is a constant in the gradient. Ours; the balancing by label of Cui et al.
    (CVPR 2019) with predicted in place of counted mass.

    Args:
        logits: (N, C, *), any real; one channel z is a binary head, [0, z].
        target: (N, *); only which pixels are ``ignore_index`` matters.
        exponent: in [0, 1]; 0 weights all pixels alike.
        ignore_index: label of pixels that do not count.

    Returns:
        (N, *), 0 or more, 0 at ignored pixels, mean 1 over the others; float32, or float64 for float64
        logits.

    Raises:
        ValueError: ``exponent`` out of range, shapes that do not fit.
    """
    check_mass_balance(exponent)
    return pixel_factors(Pixels(logits, target, ignore_index), exponent)


def pixel_factors(px: Pixels, exponent: float) -> Tensor:
    """:func:`mass_balance` of a batch that is checked already."""
    # `detach`: forward-mode derivatives pass through `torch.no_grad`.
    probs = less_peak(full_logits(px.given.detach())).softmax(dim=1)
    # `where`, so that NaN at an ignored pixel stays there.
    probs = torch.where(px.valid.unsqueeze(1), probs, 0.0)
    mass = probs.sum(dim=[0, *range(2, probs.dim())])
    factors = class_factors(mass, px.count(), exponent).view(1, -1, *[1] * (probs.dim() - 2))
    # Not a matrix product: its precision is up to the settings of the process.
    return with_mean_1(probs.mul_(factors).sum(dim=1), px.count())
