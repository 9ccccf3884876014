"""T-Loss (Gonzalez-Jimenez et al., MICCAI 2023) and our extension of it to several classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anl_seg.functional._pixels import Pixels


def check_t_loss(epsilon: float, log_precision: float) -> None:
    """Raise ValueError unless epsilon > 0 and log_precision is finite."""
    if not (math.isfinite(epsilon) and epsilon > 0.0):
        raise ValueError(f"epsilon must be a positive number; got {epsilon}.")
    if not math.isfinite(log_precision):
        raise ValueError(f"log_precision must be a finite number; got {log_precision}.")


def student_t_shares(
    squared_error: Tensor,
    weight: Tensor,
    *,
    nu: Tensor | float,
    epsilon: float = 1e-8,
    log_precision: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    """Negative log-likelihood of each image's errors under a Student t, as the pixels' shares.

    With weights w, D = sum w, S = sum w e^2 of an image, s = exp(nu) + epsilon the degrees of freedom,
    L = log_precision + epsilon and Q = exp(L) S, its loss is

        -lgamma((s + D) / 2) + lgamma(s / 2) - D L / 2 + D log(pi) / 2 + D (nu + epsilon) / 2
        + (s + D) / 2 log(1 + Q / s)

    All of a pixel's terms but the last are 1 / D of it; the last is e^2 / S of it, so sum w share is the
    loss and pixels that are wrong have the larger shares. It is computed in float64: at 512 x 512 the
    terms reach 1e6 and cancel, and in float32 the gradient of nu is off by 0.01 (of 0.4 with 15 %
    of the pixels wrong).

    Args:
        squared_error: (N, *), e^2 of each pixel, 0 where it does not count.
        weight: (N, *), 0 where a pixel does not count, else its weight.
        nu: log of the degrees of freedom, a scalar.
        epsilon: positive.
        log_precision: log of the precision of every pixel's error.
        per_image: scale the shares so that their mean (sum w share / sum w over the batch) is the
            mean of the images' losses, instead of their sum divided by sum w. Images without
            weight are not counted.

    Returns:
        Shares (N, *), any real, float64.
    """
    check_t_loss(epsilon, log_precision)
    error, weight = squared_error.double(), weight.double()
    images, pixels = len(error), math.prod(error.shape[1:])
    size = weight.reshape(images, pixels).sum(dim=1)
    total = (weight * error).reshape(images, pixels).sum(dim=1)
    nu = torch.as_tensor(nu, device=error.device).double()
    freedom = nu.exp() + epsilon
    level = log_precision + epsilon
    even = (
        torch.lgamma(freedom / 2)
        - torch.lgamma((freedom + size) / 2)
        + size / 2 * (math.log(math.pi) + nu + epsilon - level)
    )
    even = even / torch.where(size > 0, size, 1.0)
    # log(1 + Q / s) / S, and its limit where S is 0.
    positive = torch.where(total == 0, 1.0, total)
    spread = torch.log1p(math.exp(level) * positive / freedom) / positive
    spread = torch.where(total == 0, math.exp(level) / freedom, spread)
    slope = (freedom + size) / 2 * spread
    if per_image:
        scale = size.sum() / (size > 0).sum().clamp(min=1)
        even, slope = scale * even, scale * slope
    shape = (images, *[1] * (error.dim() - 1))
    return even.view(shape) + slope.view(shape) * error


def _t_loss(px: Pixels, weight: Tensor | None, **params) -> Tensor:
    log_p = px.log_probs()
    # -expm1(log p) keeps the digits of 1 - p where p is near 1.
    miss = torch.expm1(px.of_label(log_p))
    error = 0.5 * (miss.square() + px.without_label(log_p.exp()).square().sum(dim=1))
    w = px.valid if weight is None else torch.where(px.valid, weight, 0.0)
    return px.masked(student_t_shares(px.masked(error), w, **params)).to(log_p.dtype)


def t_loss(
    logits: Tensor,
    target: Tensor,
    *,
    nu: Tensor | float = 1.0,
    epsilon: float = 1e-8,
    log_precision: float = 1.0,
    per_image: bool = False,
    weight: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """T-Loss of a binary mask as published: Student t errors of a whole image, e = p_1 - y.

    An image is one draw of D = number of its valid pixels; see :func:`student_t_shares` for the formula.
    Where the paper and its code differ, the code's choice is the default:

    * The paper has the identity as covariance; the code's precision is e for every pixel
      (``log_precision=1``; 0 is the paper).
    * Both learn the log of the degrees of freedom and start it at 1. The code adds epsilon to nu in
      the term D log(nu) / 2 and to the log precision, too; so do we.
    * Both average over images. Here that is ``per_image=True``; see there.

    Args:
        logits: (N, 2, *) or (N, 1, *) (a binary head), any real.
        target: (N, *), 0, 1 or ``ignore_index``.
        nu: log of the degrees of freedom, a scalar; learnable where it is a parameter.
        epsilon: positive.
        log_precision: log of the precision of every pixel's error.
        per_image: scale the shares for the mean of the images' losses, as published.
        weight: (N, *) weights of the pixels, 0 or more; None = 1. Weight 2 is the pixel twice.
        ignore_index: label of pixels that do not count.

    Returns:
        Shares (N, *) of the images' losses, any real, 0 where ignored; float32, or float64 for
        float64 logits. Their sum over an image is its loss (without ``per_image``).

    Raises:
        ValueError: more than two classes, a label out of range, shapes that do not fit, or a
            parameter out of range.
    """
    px = Pixels(logits, target, ignore_index)
    if px.num_classes != 2:
        raise ValueError(
            f"T-Loss is published for two classes; the logits have {px.num_classes}. "
            "multiclass_t_loss (MulticlassTLoss) is our extension."
        )
    return _t_loss(
        px,
        weight,
        nu=nu,
        epsilon=epsilon,
        log_precision=log_precision,
        per_image=per_image,
    )


def multiclass_t_loss(
    logits: Tensor,
    target: Tensor,
    *,
    nu: Tensor | float = 1.0,
    epsilon: float = 1e-8,
    log_precision: float = 1.0,
    per_image: bool = False,
    weight: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Our extension of T-Loss to C classes, not published: e^2 = half of sum_k (p_k - [k = y])^2.

    One t distribution over the image, one error per pixel. With two classes e^2 is (p_1 - y)^2, so it
    is :func:`t_loss`; a pixel that is surely wrong has e^2 = 1 with any number of classes.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        nu: as in :func:`t_loss`, and so the other parameters and the result.
    """
    return _t_loss(
        Pixels(logits, target, ignore_index),
        weight,
        nu=nu,
        epsilon=epsilon,
        log_precision=log_precision,
        per_image=per_image,
    )
