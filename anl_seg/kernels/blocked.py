"""The fused losses on the CPU: torch operations on blocks of pixels that stay in the cache.

A block is a view (n, C, p) of the logits. The forward pass keeps a few numbers per pixel; the backward
pass computes the block's probabilities anew and writes the gradient where it belongs. Nothing of the
logits' size lies between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anl_seg.kernels.labels import block_labels, where_valid
from anl_seg.kernels.terms import ClassSum, Term, at_least, class_sums, mixed_slopes, mixed_value

#: Values of a block (pixels x classes). From 256 thousand to 1 million measured alike
#: (benchmarks/benchmark_losses.py); fewer, and the overhead of the operations shows.
BLOCK_VALUES = 1 << 19

Index = tuple[slice, slice, slice]


@dataclass
class Saved:
    """What the backward pass needs beside the logits, (N, 1, P) each.

    Attributes:
        peak: the largest logit.
        log_norm: log of the sum of exp(logit - peak).
        totals: the sums over the classes.
    """

    peak: Tensor
    log_norm: Tensor
    totals: dict[ClassSum, Tensor]


def _blocks(n: int, classes: int, pixels: int) -> Iterator[Index]:
    width = max(1, min(pixels, BLOCK_VALUES // classes))
    height = max(1, BLOCK_VALUES // (classes * pixels)) if width == pixels else 1
    for i in range(0, n, height):
        for p in range(0, pixels, width):
            yield slice(i, i + height), slice(None), slice(p, p + width)


class _Scratch:
    """Memory for blocks, asked of the allocator once: fresh pages cost more than the arithmetic."""

    def __init__(self, like: Tensor, dtype: torch.dtype, number: int) -> None:
        size = min(like.numel(), max(BLOCK_VALUES, like.shape[1]))
        self._memory = [torch.empty(size, dtype=dtype) for _ in range(number)]

    def __getitem__(self, number: int) -> Tensor:
        return self._memory[number]

    def view(self, number: int, shape: torch.Size) -> Tensor:
        """(n, C, p), the classes outermost in memory: what sums over them wants."""
        n, c, p = shape
        return self._memory[number][: n * c * p].view(n, c, p)


def summand(kind: ClassSum, log_p: Tensor, index: Tensor, out: Tensor) -> Tensor:
    """What ``kind`` sums over the classes, in ``out``."""
    if kind.kind == "flip":
        return torch.sub(log_p, kind.log_min, out=out).clamp_(min=0.0)
    if kind.kind == "focal":
        return torch.expm1(log_p, out=out).neg_().pow_(kind.gamma).mul_(log_p)
    if kind.kind == "others":
        torch.clamp(log_p, min=kind.log_min, out=out).exp_()
        return out.scatter_(1, index, 0.0)
    clamped = log_p.clamp(min=kind.log_min)
    torch.expm1(clamped, out=out).neg_().pow_(kind.gamma)
    return out.mul_(clamped).add_(kind.top)


def summand_slope(kind: ClassSum, log_p: Tensor, index: Tensor, out: Tensor) -> Tensor:
    """d summand / d log p_k, in ``out``."""
    if kind.kind == "flip":
        return torch.ge(log_p, kind.log_min, out=out)
    if kind.kind == "focal":
        return torch.expm1(log_p, out=out).neg_().pow_(kind.gamma)
    if kind.kind == "others":
        torch.exp(log_p, out=out).mul_(at_least(log_p, kind.log_min))
        return out.scatter_(1, index, 0.0)
    torch.clamp(log_p, min=kind.log_min, out=out).expm1_().neg_().pow_(kind.gamma)
    return out.mul_(at_least(log_p, kind.log_min))


def forward(
    logits: Tensor, target: Tensor, ignore_index: int, terms: Sequence[Term], mass_min: float | None
) -> tuple[Tensor, Tensor | None, Saved]:
    """Loss of each pixel.

    Args:
        logits: (N, C, P), C >= 2, any floating-point dtype and strides.
        target: (N, 1, P) int64, labels in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count.
        terms: see :mod:`anl_seg.kernels.terms`.
        mass_min: if given, the sum over valid pixels of p clamped to [mass_min, 1 - mass_min] is returned
            too.

    Returns:
        loss (N, 1, P), 0 where ignored; mass (C,) or None; what :func:`backward` needs. float32, or
        float64 for float64 logits.

    Raises:
        ValueError: a label out of range.
    """
    n, c, p = logits.shape
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    loss = torch.empty(n, 1, p, dtype=dtype)
    kinds = class_sums(terms)
    saved = Saved(
        torch.empty_like(loss),
        torch.empty_like(loss),
        {kind: torch.empty_like(loss) for kind in kinds},
    )
    mass = None if mass_min is None else torch.zeros(c, dtype=dtype)
    scratch = _Scratch(logits, dtype, 2)
    for at in _blocks(n, c, p):
        block = logits[at]
        log_p, other = scratch.view(0, block.shape), scratch.view(1, block.shape)
        labels, valid = block_labels(target[at], c, ignore_index)
        peak = saved.peak[at].copy_(block.amax(1, keepdim=True))
        torch.sub(block, peak, out=log_p)
        log_norm = torch.exp(log_p, out=other).sum(1, keepdim=True).log_()
        saved.log_norm[at] = log_norm
        log_p.sub_(log_norm)
        totals = {}
        for kind in kinds:
            if kind.kind == "log":
                total = log_p.sum(1, keepdim=True)
            else:
                total = summand(kind, log_p, labels, other).sum(1, keepdim=True)
            totals[kind] = saved.totals[kind][at].copy_(total)
        value = mixed_value(terms, log_p.gather(1, labels), totals)
        loss[at] = where_valid(valid, value)
        if mass is not None:
            torch.exp(log_p, out=other).clamp_(mass_min, 1.0 - mass_min)
            mass += where_valid(valid, other).sum((0, 2))
    return loss, mass, saved


def backward(
    logits: Tensor,
    target: Tensor,
    ignore_index: int,
    terms: Sequence[Term],
    mass_min: float | None,
    saved: Saved,
    grad_loss: Tensor,
    grad_mass: Tensor | None,
    grad: Tensor,
) -> None:
    """Write the gradient of the logits to ``grad``, (N, C, P).

    Args:
        grad_loss: (N, 1, P), of the loss of each pixel.
        grad_mass: (C,), of the mass, or None.
    """
    dtype = saved.peak.dtype
    direct = grad.dtype == dtype
    kinds = [kind for kind in class_sums(terms) if kind.kind != "log"]
    scratch = _Scratch(logits, dtype, 2 + len(kinds) + (grad_mass is not None))
    for at in _blocks(*logits.shape):
        block = logits[at]
        labels, valid = block_labels(target[at], block.shape[1], ignore_index)
        log_p = torch.sub(block, saved.peak[at], out=scratch.view(0, block.shape))
        log_p.sub_(saved.log_norm[at])
        out = grad[at] if direct else scratch.view(1, block.shape)
        torch.exp(log_p, out=out)
        totals = {kind: total[at] for kind, total in saved.totals.items()}
        upstream = where_valid(valid, grad_loss[at])
        of_label, of_sums = mixed_slopes(terms, log_p.gather(1, labels), totals)
        everywhere, through = None, None  # sum_k G_k is `through`
        if of_label is not None:
            of_label.mul_(upstream)
            through = of_label.clone()
        parts = []
        for kind, slope in of_sums.items():
            slope.mul_(upstream)
            if kind.kind == "log":
                everywhere, total = slope, slope * block.shape[1]
            else:
                each = summand_slope(kind, log_p, labels, scratch.view(2 + len(parts), block.shape))
                parts.append((slope, each))
                total = slope * each.sum(1, keepdim=True)
            through = total if through is None else through.add_(total)
        masses = None
        if grad_mass is not None:
            masses = scratch.view(2 + len(kinds), block.shape)
            inside = (out >= mass_min).logical_and_(out <= 1.0 - mass_min)
            if valid is not None:
                inside.logical_and_(valid)
            torch.mul(out, inside, out=masses).mul_(grad_mass.view(1, -1, 1))
            through.add_(masses.sum(1, keepdim=True))
        out.mul_(through.neg_())
        for slope, each in parts:
            out.addcmul_(slope, each)
        if everywhere is not None:
            out.add_(everywhere)
        if masses is not None:
            out.add_(masses)
        if of_label is not None:
            out.scatter_add_(1, labels, of_label)
        if not direct:
            grad[at] = out
