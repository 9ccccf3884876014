"""Slow, obvious forms of the losses, one-hot label and all: oracles for tests, baselines for benchmarks.

Each takes logits (N, C, *) and labels (N, *) without ignored pixels, and returns the loss (N, *).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    hot = torch.nn.functional.one_hot(target, logits.shape[1])
    return hot.movedim(-1, 1).to(logits.dtype)


def _log_probs(logits: Tensor) -> Tensor:
    return torch.log(torch.softmax(logits, dim=1))


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(_one_hot(logits, target) * _log_probs(logits)).sum(1)


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    weight = (1 - torch.softmax(logits, dim=1)).detach() ** gamma
    return -(_one_hot(logits, target) * weight * _log_probs(logits)).sum(1)


def mean_absolute_error(logits: Tensor, target: Tensor) -> Tensor:
    return 1 - (_one_hot(logits, target) * torch.softmax(logits, dim=1)).sum(1)


def reverse_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    probs = torch.softmax(logits, dim=1).clamp(min=1e-7)
    label = _one_hot(logits, target).clamp(min=1e-4)
    return -(probs * torch.log(label)).sum(1)


def generalized_cross_entropy(logits: Tensor, target: Tensor, q: float = 0.7) -> Tensor:
    probs = torch.softmax(logits, dim=1).clamp(min=1e-7)
    return (1 - (_one_hot(logits, target) * probs).sum(1) ** q) / q


def symmetric_cross_entropy(
    logits: Tensor, target: Tensor, alpha: float = 0.1, beta: float = 1.0
) -> Tensor:
    return alpha * cross_entropy(logits, target) + beta * reverse_cross_entropy(logits, target)


def normalized_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    log_p = _log_probs(logits)
    return (_one_hot(logits, target) * log_p).sum(1) / log_p.sum(1)


def normalized_focal_loss(logits: Tensor, target: Tensor, gamma: float = 0.5) -> Tensor:
    weight = (1 - torch.softmax(logits, dim=1)).detach() ** gamma
    focal = weight * _log_probs(logits)
    return (_one_hot(logits, target) * focal).sum(1) / focal.sum(1)


def normalized_negative_cross_entropy(
    logits: Tensor, target: Tensor, min_prob: float = 1e-7
) -> Tensor:
    log_p = torch.log(torch.softmax(logits, dim=1).clamp(min=min_prob))
    flipped = log_p - math.log(min_prob)
    return 1 - (_one_hot(logits, target) * flipped).sum(1) / flipped.sum(1)


def normalized_negative_focal_loss(
    logits: Tensor, target: Tensor, gamma: float = 0.5, min_prob: float = 1e-7
) -> Tensor:
    probs = torch.softmax(logits, dim=1).clamp(min=min_prob)
    weight = (1 - probs).detach() ** gamma
    top = -((1 - min_prob) ** gamma) * math.log(min_prob)
    flipped = top + weight * torch.log(probs)
    return 1 - (_one_hot(logits, target) * flipped).sum(1) / flipped.sum(1)


def active_negative_cross_entropy(
    logits: Tensor, target: Tensor, alpha: float = 5.0, beta: float = 5.0
) -> Tensor:
    return alpha * normalized_cross_entropy(logits, target) + beta * (
        normalized_negative_cross_entropy(logits, target)
    )


def active_negative_focal_loss(
    logits: Tensor, target: Tensor, alpha: float = 5.0, beta: float = 5.0
) -> Tensor:
    return alpha * normalized_focal_loss(logits, target) + beta * (
        normalized_negative_focal_loss(logits, target)
    )


def normalized_generalized_cross_entropy(logits: Tensor, target: Tensor, q: float = 0.7) -> Tensor:
    powers = torch.softmax(logits, dim=1).clamp(min=1e-7) ** q
    return (1 - (_one_hot(logits, target) * powers).sum(1)) / (logits.shape[1] - powers.sum(1))


def normalized_reverse_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    labels = [torch.full_like(target, k) for k in range(logits.shape[1])]
    total = sum(reverse_cross_entropy(logits, label) for label in labels)
    return reverse_cross_entropy(logits, target) / total


def _label_prob(logits: Tensor, target: Tensor) -> Tensor:
    return (_one_hot(logits, target) * torch.softmax(logits, dim=1)).sum(1)


def asymmetric_generalized_cross_entropy(
    logits: Tensor, target: Tensor, a: float = 1.0, q: float = 2.0
) -> Tensor:
    return ((a + 1) ** q - (a + _label_prob(logits, target)) ** q) / q


def asymmetric_unhinged_loss(
    logits: Tensor, target: Tensor, a: float = 1.5, q: float = 0.9
) -> Tensor:
    return ((a - _label_prob(logits, target)) ** q - (a - 1) ** q) / q


def asymmetric_exponential_loss(logits: Tensor, target: Tensor, a: float = 3.0) -> Tensor:
    return torch.exp(-_label_prob(logits, target) / a)


def asymmetric_norm_loss(logits: Tensor, target: Tensor, a: float = 1.5, p: float = 0.9) -> Tensor:
    probs = torch.softmax(logits, dim=1).clamp(min=1e-5)
    distance = (a * _one_hot(logits, target) - probs).abs() ** p
    return (distance.sum(1) - (a - 1) ** p) / p


def generalized_jensen_shannon(
    logits: Tensor,
    target: Tensor,
    pi: float = 0.5,
    scaled: bool = True,
    logits2: Tensor | None = None,
) -> Tensor:
    views = [torch.softmax(z, dim=1) for z in (logits, logits2) if z is not None]
    weights = [pi] + [(1 - pi) / len(views)] * len(views)
    parts = [_one_hot(logits, target), *views]
    mixed = sum(w * d for w, d in zip(weights, parts)).clamp(min=1e-7)
    divergences = [(d * (d.clamp(min=1e-7) / mixed).log()).sum(1) for d in parts]
    total = sum(w * k for w, k in zip(weights, divergences))
    return total / (-(1 - pi) * math.log(1 - pi)) if scaled else total


def bootstrap_loss(logits: Tensor, target: Tensor, beta: float = 0.95) -> Tensor:
    probs = torch.softmax(logits, dim=1)
    mixed = beta * _one_hot(logits, target) + (1 - beta) * probs
    return -(mixed * _log_probs(logits)).sum(1)


def label_smoothing_cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.1) -> Tensor:
    mixed = (1 - smoothing) * _one_hot(logits, target) + smoothing / logits.shape[1]
    return -(mixed * _log_probs(logits)).sum(1)
