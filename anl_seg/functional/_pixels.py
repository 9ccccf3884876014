"""What every per-pixel loss shares: shapes, precision, the binary head, the ignored pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anl_seg.functional._label_tensor import check_label_tensor
from anl_seg.functional._labels import check_labels, label_to_ignore, valid_mask
from anl_seg.functional._precision import full_precision

#: Stands for log 0 in a quotient of logarithms, or in a product with 0, which infinity would make NaN: the
#: limit, as far as there is one.
LOWEST_LOG = -1e30


def check_shapes(logits: Tensor, target: Tensor) -> None:
    """Raise unless logits are (N, C, *) floating-point numbers and labels (N, *) integers.

    Raises:
        ValueError: shapes that do not fit, or labels on another device.
        TypeError: no tensor, or a dtype that is not allowed.
    """
    check_logits(logits)
    check_label_tensor(target, logits, (*logits.shape[:1], *logits.shape[2:]))


def check_logits(logits: Tensor) -> None:
    """Raise unless logits are floating-point numbers (N, C, *), C >= 1."""
    if not isinstance(logits, Tensor):
        raise TypeError(f"logits must be a tensor of shape (N, C, *); got {type(logits).__name__}.")
    if logits.dim() < 2 or logits.shape[1] == 0:
        raise ValueError(f"logits must have shape (N, C, *), C >= 1; got {tuple(logits.shape)}.")
    if not logits.is_floating_point():
        raise TypeError(f"logits must be of a floating-point dtype; got {logits.dtype}.")


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


class Pixels:
    """One batch of pixels: checked, in full precision, with its labels ready to gather.

    Args:
        logits: (N, C, *), any real.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count.
    """

    def __init__(self, logits: Tensor, target: Tensor, ignore_index: int) -> None:
        check_shapes(logits, target)
        ignore_index = label_to_ignore(ignore_index)
        self.logits = full_logits(logits)
        target = target.long()
        self.num_classes = self.logits.shape[1]
        check_labels(target, self.num_classes, ignore_index)
        self.valid = valid_mask(target, self.num_classes, ignore_index)
        self._index = torch.where(self.valid, target, 0).unsqueeze(1)

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
        return values.gather(1, self._index).squeeze(1)

    def without_label(self, values: Tensor) -> Tensor:
        """``values`` with a zero at each pixel's own label, (N, C, *)."""
        return values.scatter(1, self._index, 0.0)

    def masked(self, loss: Tensor) -> Tensor:
        """``loss`` with a zero at the pixels that do not count, (N, *)."""
        return torch.where(self.valid, loss, 0.0)


def check_min_prob(min_prob: float, num_classes: int | None = None) -> None:
    """Raise ValueError unless 0 < min_prob < 1 (and < 1 / C where C is known).

    With min_prob >= 1 / C a uniform prediction lies below the flip point for every class and the
    normaliser of the negative losses vanishes.
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
    """(1 - p)^gamma, held constant in the gradient as in the normalised focal losses' own code.

    ``-expm1(log p)`` keeps the digits of 1 - p where p is near 1.
    """
    return torch.expm1(log_probs.detach()).neg_().pow_(gamma)
