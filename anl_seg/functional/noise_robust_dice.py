"""Noise-robust Dice loss (Wang et al., TMI 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anl_seg.functional._class_sums import class_sums
from anl_seg.functional._per_pixel import Allowed, per_pixel
from anl_seg.functional._pixels import Pixels


@per_pixel(
    gamma=Allowed("lie in [1, 2]", lambda value: 1.0 <= value <= 2.0),
    epsilon=Allowed("be positive", lambda value: value > 0.0),
)
def noise_robust_dice(
    px: Pixels,
    *,
    gamma: float = 1.5,
    epsilon: float = 1e-5,
    per_image: bool = False,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
) -> Tensor:
    """Noise-robust Dice of a region, given as each pixel's share of it.

    With g the one-hot label and w the pixels' weights, class c of a region has
    ``L_c = sum_i w_i |p_ic - g_ic|^gamma / (sum_i w_i (p_ic^2 + g_ic^2) + epsilon)``
    (Wang et al. 2020, there with one foreground class). gamma = 2 is the Dice loss with
    squares in its denominator; gamma = 1 is nearer to mean absolute error, and more tolerant.

    Several classes are ours: the region's loss is the mean of L_c over the classes *that have a label
    in it*, weighted by ``class_weight``. A class without a label is left out because with gamma < 2 its
    L_c grows as its p_c shrink (sum p^1.5 / sum p^2), so its gradient would call for more of it.

    The pixel's share is its term of the sums times the total weight W of the region. So the weighted
    mean over the valid pixels, sum_i w_i share_i / W, is the region's loss; the shares of some of
    the pixels are no loss of these alone. The regions of ``per_image`` count alike in that mean.

    Args:
        gamma: in [1, 2].
        epsilon: positive; keeps the quotient finite, hardly felt for any class with a label.
        per_image: each image is a region; otherwise the batch is one.
        weight: (N, *) weights of the pixels, 0 or more; None = 1.
        class_weight: (C,) weights of the classes' terms, 0 or more; None = 1. ``[0, 1]`` on a binary head is
            the paper's, of the foreground alone.
    """
    log_p = px.log_probs()
    num_classes = px.num_classes
    if class_weight is not None and tuple(class_weight.shape) != (num_classes,):
        raise ValueError(
            f"class_weight must have {num_classes} entries, one per class; "
            f"got shape {tuple(class_weight.shape)}."
        )
    w = px.valid.to(log_p)
    if weight is not None:
        # `where`, so that a NaN weight at an ignored pixel stays there.
        w = torch.where(px.valid, weight.to(log_p), 0.0)
    batch, pixels = len(log_p), math.prod(log_p.shape[2:])
    probs = torch.where(px.valid.unsqueeze(1), log_p.exp(), 0.0)
    labels = px.labels.reshape(batch, pixels)
    # (N, C): the weight of the labels of each class.
    area = class_sums(w.reshape(batch, pixels), labels, num_classes)
    squares = (w.unsqueeze(1) * probs.square()).reshape(batch, num_classes, pixels).sum(dim=2)
    if not per_image:
        area = area.sum(dim=0, keepdim=True).expand(batch, -1)
        squares = squares.sum(dim=0, keepdim=True).expand(batch, -1)
    factor = (area > 0).to(w)
    if class_weight is not None:
        factor = factor * class_weight.to(w)
    total = factor.sum(dim=1, keepdim=True)
    # A region without a label has the factor 0 in every class; 1 in place of its sum keeps it 0.
    factor = factor / torch.where(total > 0, total, 1.0)
    if per_image:
        counted = (total > 0).sum().clamp(min=1)
        factor = factor / counted
    scale = w.sum() * factor / (squares + area + epsilon)
    scale = scale.view(batch, num_classes, *[1] * (log_p.dim() - 2))
    others = (scale * px.without_label(probs).pow(gamma)).sum(dim=1)
    # -expm1(log p) keeps the digits of 1 - p where p is near 1.
    miss = torch.expm1(px.of_label(log_p)).neg()
    # pow has an infinite second, but a finite first derivative at 0 for gamma >= 1.
    own = px.of_label(scale.expand_as(log_p)) * miss.pow(gamma)
    return others + own
