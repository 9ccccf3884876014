"""T-Loss (Gonzalez-Jimenez et al., MICCAI 2023) and our extension of it to several classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import Allowed, per_pixel
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import full_precision, without_autocast

#: Stirling's series of lgamma, from its last coefficient on, good for 1e-13 from ``_SERIES_FROM`` on.
_SERIES = (1.0 / 1188.0, 1.0 / 1680.0, 1.0 / 1260.0, 1.0 / 360.0, 1.0 / 12.0)
_SERIES_FROM = 8.0


_EPSILON = Allowed("be a positive number", lambda value: 0.0 < value < math.inf)
_LOG_PRECISION = Allowed("be a finite number", lambda value: -math.inf < value < math.inf)


def _stirling_rest(x: Tensor) -> Tensor:
    """``x log x - x - lgamma(x)``, x > 0: about log(x) / 2, free of the three large terms."""
    small, large = x.clamp(max=_SERIES_FROM), x.clamp(min=_SERIES_FROM)
    inverse = large.reciprocal()
    square = inverse.square()
    series = torch.zeros_like(square)
    for coefficient in _SERIES:
        series = coefficient - square * series
    rest = 0.5 * (large.log() - math.log(2.0 * math.pi)) - inverse * series
    return torch.where(x > _SERIES_FROM, rest, small * small.log() - small - torch.lgamma(small))


def _loss_per_pixel(
    size: Tensor, counted: Tensor, quadratic: Tensor, nu: Tensor, epsilon: float, level: float
) -> Tensor:
    """The loss of each image / ``counted``; see :func:`student_t_shares` for the letters.

    With R(x) = x log x - x - lgamma(x) the loss is

        (s + D) / 2 log((s + Q) / (s + D)) + R((s + D) / 2) - R(s / 2)
        + D / 2 (1 + log(2 pi) + epsilon - L - log(1 + epsilon exp(-nu)))

    whose terms, and their derivatives, are no larger than the loss, and its derivatives, may be.

    Args:
        size: D (N,).
        counted: D where it is positive, else 1.
        quadratic: Q (N,).
    """
    freedom = nu.exp() + epsilon
    ratio = (freedom + quadratic) / (freedom + size)
    near = ratio > 0.5  # where it may be near 1
    growth = torch.log1p(torch.where(near, (quadratic - size) / (freedom + size), 0.0))
    growth = torch.where(near, growth, torch.where(near, 1.0, ratio).log())
    half = (freedom + size) / 2
    rest = _stirling_rest(half) - _stirling_rest((freedom / 2).expand_as(half))
    constant = 1.0 + math.log(2.0 * math.pi) + epsilon - level
    even = constant - torch.log1p(epsilon * torch.exp(-nu))
    return half / counted * growth + rest / counted + size / counted / 2 * even


@without_autocast
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
    loss and pixels that are wrong have the larger shares. At 512 x 512 these terms reach 1e6 and
    cancel, in the loss and in the gradient of nu. So the loss is computed in another form,
    :func:`_loss_per_pixel`, and a pixel's share is 1 / D of it plus what its error differs from the mean.

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
        Shares (N, *), any real; float32, or float64 for float64 errors.
    """
    _EPSILON.check("epsilon", epsilon)
    _LOG_PRECISION.check("log_precision", log_precision)
    error = full_precision(squared_error)
    weight = weight.to(error.dtype)
    nu = nu.to(error) if isinstance(nu, Tensor) else error.new_full((), float(nu))
    images, pixels = len(error), math.prod(error.shape[1:])
    shape = (images, *[1] * (error.dim() - 1))

    def over_image(values: Tensor) -> Tensor:
        return (weight * values).reshape(images, pixels).sum(dim=1)

    size = over_image(torch.ones_like(error))
    counted = torch.where(size > 0, size, 1.0)
    total = over_image(error)
    # From the mean on, what is left of it by rounding being kept apart: nu's gradient lives on sums of
    # these that are nearly 0.
    centred = error - (total / counted).detach().view(shape)
    rest = over_image(centred) / counted
    freedom = nu.exp() + epsilon
    level = log_precision + epsilon
    # log(1 + Q / s) / S, and its limit where S is 0.
    positive = torch.where(total == 0, 1.0, total)
    spread = torch.log1p(math.exp(level) * positive / freedom) / positive
    spread = torch.where(total == 0, math.exp(level) / freedom, spread)
    slope = (freedom + size) / 2 * spread
    even = _loss_per_pixel(size, counted, math.exp(level) * total, nu, epsilon, level)
    even = even - slope * rest
    if per_image:
        scale = size.sum() / (size > 0).sum().clamp(min=1)
        even, slope = scale * even, scale * slope
    return even.view(shape) + slope.view(shape) * centred


_parameters = per_pixel(epsilon=_EPSILON, log_precision=_LOG_PRECISION)


@_parameters
def multiclass_t_loss(
    px: Pixels,
    *,
    nu: Tensor | float = 1.0,
    epsilon: float = 1e-8,
    log_precision: float = 1.0,
    per_image: bool = False,
    weight: Tensor | None = None,
) -> Tensor:
    """Our extension of T-Loss to C classes, not published: e^2 = half of sum_k (p_k - [k = y])^2.

    One t distribution over the image, one error per pixel. With two classes e^2 is (p_1 - y)^2, so it
    is :func:`t_loss`; a pixel that is surely wrong has e^2 = 1 with any number of classes.

    Args:
        nu: as in :func:`t_loss`, and so the other parameters and the result.
    """
    log_p = px.log_probs()
    # -expm1(log p) keeps the digits of 1 - p where p is near 1.
    miss = torch.expm1(px.of_label(log_p))
    error = 0.5 * (miss.square() + px.without_label(log_p.exp()).square().sum(dim=1))
    return student_t_shares(
        px.masked(error),
        px.valid if weight is None else torch.where(px.valid, weight, 0.0),
        nu=nu,
        epsilon=epsilon,
        log_precision=log_precision,
        per_image=per_image,
    )


@_parameters
def t_loss(
    px: Pixels,
    *,
    nu: Tensor | float = 1.0,
    epsilon: float = 1e-8,
    log_precision: float = 1.0,
    per_image: bool = False,
    weight: Tensor | None = None,
) -> Tensor:
    """T-Loss of a binary mask as published: Student t errors of a whole image, e = p_1 - y.

    An image is one draw of D = number of its valid pixels; see :func:`student_t_shares` for the formula.
    Where the paper and its code differ, the code's choice is the default:

    * The paper has the identity as covariance; the code's precision is e for every pixel
      (``log_precision=1``; 0 is the paper).
    * Both learn the log of the degrees of freedom and start it at 1. The code adds epsilon to nu in
      the term D log(nu) / 2 and to the log precision, too; so do we.
    * Both average over images. Here that is ``per_image=True``; see there.

    The shares of an image add up to its loss (without ``per_image``).

    Args:
        nu: log of the degrees of freedom, a scalar; learnable where it is a parameter.
        epsilon: positive.
        log_precision: log of the precision of every pixel's error.
        per_image: scale the shares for the mean of the images' losses, as published.
        weight: (N, *) weights of the pixels, 0 or more; None = 1. Weight 2 is the pixel twice.

    Raises:
        ValueError: more than two classes.
    """
    if px.num_classes != 2:
        raise ValueError(
            f"T-Loss is published for two classes; the logits have {px.num_classes}. "
            "multiclass_t_loss (MulticlassTLoss) is our extension."
        )
    return multiclass_t_loss.of(
        px,
        nu=nu,
        epsilon=epsilon,
        log_precision=log_precision,
        per_image=per_image,
        weight=weight,
    )
