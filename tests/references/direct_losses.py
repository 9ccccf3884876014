"""Slow, obvious forms of the losses, one-hot label and all: oracles for tests, baselines for benchmarks.

Each takes logits (N, C, *) and labels (N, *) without ignored pixels, and returns the loss (N, *). Below them
stand the gradient weights of docs/losses.md by hand.
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


# The gradient weights -dL/dz_y of docs/losses.md, for C classes and the label Y.

C, Y = 5, 2
A = -math.log(1e-7)
LOG = math.log(1e4)
T = 0.6 * torch.eye(C, dtype=torch.float64) + 0.4 / C
T[0, 1] += 0.1
T[0, 0] -= 0.1


def focal(p, gamma):
    factor = (1 - p) ** gamma
    return factor, -factor * p.log()


def nfl(p, u, gamma):
    f, fl = focal(p, gamma)
    s = fl.sum(1)
    value = fl[:, Y] / s
    return (f[:, Y] * (1 - u) + value * (u * f.sum(1) - f[:, Y])) / s


def nnfl(p, u, gamma):
    f, fl = focal(p, gamma)
    rest = (1 - 1e-7) ** gamma * A - fl
    s = rest.sum(1)
    return (f[:, Y] * (1 - u) - (rest[:, Y] / s) * (f[:, Y] - u * f.sum(1))) / s


def ngce(p, u, q):
    s = (p**q).sum(1)
    value = (1 - u**q) / (C - s)
    return q * (u**q * (1 - u) - value * (u**q - u * s)) / (C - s)


def others(p):
    return torch.cat([p[:, :Y], p[:, Y + 1 :]], 1)


def entropy(p):
    return -(p * p.log()).sum(1)


#: Function -> (its arguments, -dL/dz_y of p (N, C) and u = p_y (N,)): the docs' formulas.
GRADIENT_WEIGHTS = {
    "cross_entropy": ({}, lambda p, u: 1 - u),
    "focal_loss": ({"gamma": 1.5}, lambda p, u: (1 - u) ** 2.5),
    "mean_absolute_error": ({}, lambda p, u: u * (1 - u)),
    "reverse_cross_entropy": ({}, lambda p, u: LOG * u * (1 - u)),
    "generalized_cross_entropy": ({"q": 0.4}, lambda p, u: u**0.4 * (1 - u)),
    "symmetric_cross_entropy": (
        {"alpha": 0.3, "beta": 0.7},
        lambda p, u: (0.3 + 0.7 * LOG * u) * (1 - u),
    ),
    "normalized_cross_entropy": ({}, lambda p, u: nfl(p, u, 0.0)),
    "normalized_focal_loss": ({"gamma": 0.5}, lambda p, u: nfl(p, u, 0.5)),
    "normalized_generalized_cross_entropy": ({"q": 0.4}, lambda p, u: ngce(p, u, 0.4)),
    "normalized_reverse_cross_entropy": ({}, lambda p, u: u * (1 - u) / (C - 1)),
    "asymmetric_generalized_cross_entropy": (
        {"a": 0.6, "q": 0.6},
        lambda p, u: (0.6 + u) ** -0.4 * u * (1 - u),
    ),
    "asymmetric_unhinged_loss": (
        {"a": 5.5, "q": 3.0},
        lambda p, u: (5.5 - u) ** 2 * u * (1 - u),
    ),
    "asymmetric_exponential_loss": ({"a": 2.5}, lambda p, u: (-u / 2.5).exp() / 2.5 * u * (1 - u)),
    "asymmetric_norm_loss": (
        {"a": 2.0, "p": 0.7},
        lambda p, u: u * ((1 - u) * (2 - u) ** -0.3 + (others(p) ** 0.7).sum(1)),
    ),
    "normalized_negative_cross_entropy": ({}, lambda p, u: nnfl(p, u, 0.0)),
    "normalized_negative_focal_loss": ({"gamma": 0.5}, lambda p, u: nnfl(p, u, 0.5)),
    "active_negative_cross_entropy": (
        {"alpha": 2.0, "beta": 3.0},
        lambda p, u: 2 * nfl(p, u, 0.0) + 3 * nnfl(p, u, 0.0),
    ),
    "active_negative_focal_loss": (
        {"alpha": 2.0, "beta": 3.0, "gamma": 0.5},
        lambda p, u: 2 * nfl(p, u, 0.5) + 3 * nnfl(p, u, 0.5),
    ),
    "generalized_jensen_shannon": (
        {"pi": 0.3},
        lambda p, u: u * (1 - u) * torch.log1p(0.3 / (0.7 * u)) / -math.log(0.7),
    ),
    "forward_correction": (
        {"matrix": T},
        lambda p, u: u * (T[Y, Y] / (p @ T[:, Y]) - 1),
    ),
    "backward_correction": (
        {"inverse": torch.linalg.inv(T)},
        lambda p, u: torch.linalg.inv(T)[Y, Y] - u,
    ),
    "bootstrap_loss": (
        {"beta": 0.8},
        lambda p, u: 0.8 * (1 - u) + 0.2 * u * (u.log() + entropy(p)),
    ),
    "label_smoothing_cross_entropy": ({"smoothing": 0.2}, lambda p, u: 0.8 + 0.2 / C - u),
    "negative_learning": (
        {"complementary": "all"},
        lambda p, u: u / (C - 1) * (others(p) / (1 - others(p))).sum(1),
    ),
}
