"""What every per-pixel loss shares: shapes, precision, the binary head, the ignored pixels."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anl_seg.functional._label_tensor import what_it_looks_like
from anl_seg.functional._labels import FAR, NO_LABEL, check_labels
from anl_seg.functional._precision import full_precision

#: Stands for log 0 in a quotient of logarithms, or in a product with 0, which infinity would make NaN: the
#: limit, as far as there is one.
LOWEST_LOG = -1e30


def check_label_tensor(target: Any, logits: Tensor, expected: tuple[int | str, ...]) -> None:
    """Raise unless ``target`` is an integer tensor of the shape ``expected``, on the device of the logits.

    Args:
        target: what was given as labels.
        logits: (N, C, *).
        expected: shape of the labels; a name stands for any number.

    Raises:
        ValueError: another shape or device.
        TypeError: no tensor, or a dtype that is not allowed.
    """
    if not isinstance(target, Tensor):
        raise TypeError(
            f"labels must be a tensor of shape {_words(expected)}; got {type(target).__name__}. "
            "torch.stack() joins the masks of a list, torch.as_tensor() takes an array."
        )
    if target.shape != expected and not _fits(target.shape, expected):
        raise ValueError(
            f"labels must have shape {_words(expected)} for logits of shape {tuple(logits.shape)}; "
            f"got {tuple(target.shape)}.{what_it_looks_like(target, logits, expected)}"
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(
            f"labels must be integers; got {target.dtype}. Class indices become integers by .long(); "
            "a mask divided by 255 holds none."
        )
    if target.device != logits.device:
        raise ValueError(
            f"labels must be on the device of the logits, {logits.device}; got {target.device}."
        )


def _fits(shape: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    """Whether a shape is the expected one, in which a name stands for any number."""
    return len(shape) == len(expected) and all(
        isinstance(wanted, str) or size == wanted for size, wanted in zip(shape, expected)
    )


def _words(shape: tuple[int | str, ...]) -> str:
    return str(shape).replace("'", "")


def check_logits(logits: Tensor) -> None:
    """Raise unless logits are floating-point numbers (N, C, *), C >= 1."""
    if not isinstance(logits, Tensor):
        raise TypeError(f"logits must be a tensor of shape (N, C, *); got {type(logits).__name__}.")
    if logits.dim() < 2 or logits.shape[1] == 0:
        raise ValueError(f"logits must have shape (N, C, *), C >= 1; got {tuple(logits.shape)}.")
    if not logits.is_floating_point():
        raise TypeError(f"logits must be of a floating-point dtype; got {logits.dtype}.")


def label_to_ignore(ignore_index: int | None) -> int:
    """``ignore_index`` as a number; None, as mmseg's heads may have it, ignores nothing.

    Raises:
        TypeError: neither None nor an integer.
        ValueError: no label can have the number.
    """
    if ignore_index is None:
        return NO_LABEL
    if not isinstance(ignore_index, int):
        try:
            ignore_index = operator.index(ignore_index)
        except TypeError:
            raise TypeError(
                f"ignore_index must be an integer, or None to ignore no label; got {ignore_index!r}."
            ) from None
    if not NO_LABEL <= ignore_index <= FAR:
        raise ValueError(f"ignore_index must fit into 64 bits; got {ignore_index}.")
    return ignore_index


def valid_mask(target: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """True where a label is neither ``ignore_index`` nor out of range.

    Args:
        target: labels (N, *), integers.
        num_classes: C, number of classes.
        ignore_index: the label of pixels that do not count.

    Returns:
        bool tensor (N, *).
    """
    target = target.long()  # an ignore_index outside of the dtype would wrap around
    in_range = (target >= 0) & (target < num_classes)
    if ignore_index is not None and 0 <= ignore_index < num_classes:
        return in_range & (target != ignore_index)
    return in_range


def full_logits(logits: Tensor) -> Tensor:
    """Logits in the precision and with the number of channels that the formulas use.

    Half precision becomes float32 (a sum over classes of half-precision logarithms loses its digits);
    float32 and float64 stay. One channel z, the output of a binary head, becomes [0, z], whose
    softmax is (1 - sigmoid(z), sigmoid(z)).

    Args:
        logits: (N, C, *), C >= 1.

    Returns:
        (N, max(C, 2), *), float32 or float64.
    """
    check_logits(logits)
    return with_two_channels(full_precision(logits))


def with_two_channels(logits: Tensor) -> Tensor:
    """[0, z] of the one channel z of a binary head, (N, 2, *); more channels stay as they are.

    By ``pad``: autocast changes the dtype of what ``cat`` joins, and refuses float64 there.
    """
    if logits.shape[1] != 1:
        return logits
    return F.pad(logits, [0, 0] * (logits.dim() - 2) + [1, 0])


def flat_pixels(logits: Tensor) -> Tensor:
    """Logits (N, C, *) as (N, C, pixels of an image), a view where that is possible."""
    return logits.flatten(2) if logits.dim() > 2 else logits.unsqueeze(2)


def flat_labels(target: Tensor) -> Tensor:
    """Labels (N, *) as (N, pixels of an image), a view where that is possible."""
    return target.flatten(1) if target.dim() > 1 else target.unsqueeze(1)


def less_peak(logits: Tensor) -> Tensor:
    """Logits less the largest of their pixel, (N, C, *), which is held constant in the gradient.

    Of an infinite largest one the difference is 0 too, so that the softmax is the limit: one for a
    single +inf, equal shares for several, or where all are -inf. NaN stays.
    """
    peak = logits.detach().amax(dim=1, keepdim=True)
    shifted = logits - peak
    # Infinity less infinity. `detach`: the value changes, and no derivative of it, forward or backward.
    shifted.detach().masked_fill_(logits == peak, 0.0)
    return shifted


#: A class predicted nowhere has this mass at least.
_LEAST_MASS = 1e-6


def class_factors(mass: Tensor, count: Tensor, exponent: float) -> Tensor:
    """1 / m_k^exponent, from the sum of p_k over ``count`` pixels: the factors of ``mass_balance``."""
    return (mass / count).clamp(min=_LEAST_MASS).pow(-exponent)


def with_mean_1(weight: Tensor, count: Tensor) -> Tensor:
    """``weight``, 0 where it does not count, scaled so that its mean over ``count`` pixels is 1."""
    total = weight.sum()
    return weight * (count / torch.where(total > 0, total, 1.0))


class Pixels:
    """One batch of logits and labels, checked where it comes in and handed on: what all losses share of it.

    Which labels count, and the logits in full precision, are worked out once, when they are asked for.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count; None: all count.
        expected: shape of the labels where it is not that of the logits; a name stands for any number.

    Attributes:
        given: the logits as they are.
        target: the labels as they are.
        ignore_index: as a number.
        num_classes: C, 2 for a binary head.

    Raises:
        ValueError: shapes or devices that do not fit.
        TypeError: no tensors, or of dtypes that are not allowed.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        ignore_index: int | None = 255,
        expected: tuple[int | str, ...] | None = None,
    ) -> None:
        check_logits(logits)
        check_label_tensor(target, logits, expected or (*logits.shape[:1], *logits.shape[2:]))
        self.given, self.target = logits, target
        self.ignore_index = label_to_ignore(ignore_index)
        self.num_classes = max(logits.shape[1], 2)
        self._logits: Tensor | None = None
        self._valid: Tensor | None = None
        self._labels: Tensor | None = None

    @property
    def logits(self) -> Tensor:
        """(N, max(C, 2), *) in full precision; see :func:`full_logits`."""
        if self._logits is None:
            self._logits = full_logits(self.given)
        return self._logits

    @property
    def valid(self) -> Tensor:
        """(N, *), True where a pixel counts."""
        if self._valid is None:
            self._valid = valid_mask(self.target, self.num_classes, self.ignore_index)
        return self._valid

    @property
    def labels(self) -> Tensor:
        """(N, *), the labels as int64, 0 at pixels that do not count."""
        if self._labels is None:
            self._labels = torch.where(self.valid, self.target, 0).long()
        return self._labels

    def count(self) -> Tensor:
        """Number of pixels that count, at least 1; a scalar."""
        return self.valid.sum().clamp(min=1)

    def check_labels(self) -> None:
        """Raise ValueError for a label out of range; see :func:`anl_seg.functional._labels.check_labels`."""
        check_labels(self.target.long(), self.num_classes, self.ignore_index)

    def log_probs(self) -> Tensor:
        """log softmax over the classes, (N, C, *).

        Built from ``logsumexp`` of the logits less their maximum. torch's own ``log_softmax`` adds
        the classes one after the other on the CPU and misses 2e-6 of a small loss at 150 classes in
        float32. The shift does not change the function, so it is held constant in the gradient.
        """
        shifted = less_peak(self.logits)
        return shifted - shifted.logsumexp(dim=1, keepdim=True)

    def finite_log_probs(self) -> Tensor:
        """:meth:`log_probs`, at least :data:`LOWEST_LOG`: for a quotient of them."""
        log_p = self.log_probs()
        log_p.detach().clamp_min_(LOWEST_LOG)  # as in `less_peak`
        return log_p

    def mass(self, min_prob: float) -> Tensor:
        """(C,), the sum over the valid pixels of p clamped to [min_prob, 1 - min_prob]."""
        probs = self.log_probs().exp().clamp(min=min_prob, max=1.0 - min_prob)
        probs = torch.where(self.valid.unsqueeze(1), probs, 0.0)
        return probs.transpose(0, 1).flatten(1).sum(dim=1)

    def label_log_prob(self) -> Tensor:
        """log p_y, (N, *)."""
        return self.of_label(self.log_probs())

    def of_label(self, values: Tensor) -> Tensor:
        """The entry of each pixel's own label: (N, C, *) -> (N, *)."""
        return values.gather(1, self.labels.unsqueeze(1)).squeeze(1)

    def without_label(self, values: Tensor) -> Tensor:
        """``values`` with a zero at each pixel's own label, (N, C, *)."""
        return values.scatter(1, self.labels.unsqueeze(1), 0.0)

    def masked(self, loss: Tensor) -> Tensor:
        """``loss`` with a zero at the pixels that do not count, (N, *)."""
        return torch.where(self.valid, loss, 0.0)


def check_min_prob(min_prob: float, num_classes: int | None = None) -> None:
    """Raise ValueError unless 0 < min_prob < 1 (and < 1 / C where C is known).

    With min_prob >= 1 / C a uniform prediction lies below the flip point for every class and the
    normalizer of the negative losses vanishes.
    """
    if not 0.0 < min_prob < 1.0:
        raise ValueError(f"min_prob must lie in (0, 1); got {min_prob}.")
    if num_classes is not None and min_prob >= 1.0 / num_classes:
        raise ValueError(
            f"min_prob must be below 1 / num_classes = {1.0 / num_classes:.4g}; got {min_prob}."
        )


def check_relative_min_prob(relative: float | None) -> None:
    """Raise ValueError unless ``relative`` is None or in (0, 1): a flip point of ``relative`` / C."""
    if relative is not None and not 0.0 < relative < 1.0:
        raise ValueError(
            "relative_min_prob, the flip point as a share of 1 / C, must lie in (0, 1) or be None; "
            f"got {relative}."
        )


def flip_point(min_prob: float, relative: float | None, num_classes: int) -> float:
    """``relative`` / C where it is given, else ``min_prob``."""
    return min_prob if relative is None else relative / num_classes


def check_gamma(gamma: float) -> None:
    """Raise ValueError unless gamma >= 0, the range of the focal exponent."""
    if not gamma >= 0.0:
        raise ValueError(f"gamma must be 0 or more; got {gamma}.")


def focal_weight(log_probs: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma, held constant in the gradient as in the normalized focal losses' own code.

    ``-expm1(log p)`` keeps the digits of 1 - p where p is near 1.
    """
    return torch.expm1(log_probs.detach()).neg_().pow_(gamma)
