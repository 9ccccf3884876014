"""The fused losses on the CPU: torch operations on blocks of pixels that stay in the cache.

A block is a view (n, C, p) of the logits. The forward pass keeps a few numbers per pixel; the backward
pass computes the block's probabilities anew and writes the gradient where it belongs. Nothing of the
logits' size lies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anl_seg.kernels.pixel_blocks import block_labels, pixel_blocks, where_valid
from anl_seg.kernels.terms import ClassSum, Term, class_sums, mixed_slopes, mixed_value

#: Values of a block (pixels x classes): few enough for the cache, enough to hide the cost of an operation.
BLOCK_VALUES = 1 << 19


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


class _Scratch:
    """Memory for blocks, asked of the allocator once: fresh pages cost more than the arithmetic."""

    def __init__(self, like: Tensor, dtype: torch.dtype, number: int) -> None:
        size = min(like.numel(), max(BLOCK_VALUES, like.shape[1]))
        self._memory = [torch.empty(size, dtype=dtype) for _ in range(number)]

    def view(self, number: int, shape: torch.Size) -> Tensor:
        """(n, C, p), the classes outermost in memory: what sums over them wants."""
        n, c, p = shape
        return self._memory[number][: n * c * p].view(n, c, p)


def block_totals(
    kinds: Sequence[ClassSum], log_p: Tensor, labels: Tensor, scratch: Tensor
) -> dict[ClassSum, Tensor]:
    """The sums over the classes of a block.

    Args:
        log_p: (n, C, p).
        labels: (n, 1, p), in [0, C).
        scratch: memory like ``log_p``.

    Returns:
        (n, 1, p) each.
    """
    totals = {}
    for kind in kinds:
        each = kind.summand(log_p, scratch)
        if kind.kind == "others":
            each.scatter_(1, labels, 0.0)
        totals[kind] = each.sum(1, keepdim=True)
    return totals


def block_gradient(
    terms: Sequence[Term],
    log_p: Tensor,
    p: Tensor,
    labels: Tensor,
    totals: dict[ClassSum, Tensor],
    upstream: Tensor,
    scratch: Callable[[int], Tensor],
    *,
    norm: Tensor | None = None,
    masses: Tensor | None = None,
) -> None:
    """Turn a block's probabilities into the gradient of its logits: G_j - p_j sum_k G_k.

    Args:
        log_p: (n, C, p).
        p: (n, C, p), overwritten; exp(log_p), or ``norm`` times that.
        labels: (n, 1, p), in [0, C).
        totals: see :func:`block_totals`.
        upstream: (n, 1, p), gradient of the loss of each pixel, 0 where ignored.
        scratch: ``scratch(i)`` is memory like ``log_p``, one for each sum over the classes but ``log``.
        norm: (n, 1, p) or None = 1.
        masses: (n, C, p), what else adds to G, or None.
    """
    of_label, of_sums = mixed_slopes(terms, log_p.gather(1, labels), totals)
    everywhere = None
    through = torch.zeros_like(upstream)  # sum_k G_k
    if of_label is not None:
        through.add_(of_label.mul_(upstream))
    parts = []
    for kind, slope in of_sums.items():
        slope.mul_(upstream)
        if kind.kind == "log":
            everywhere = slope
            through.add_(slope, alpha=log_p.shape[1])
            continue
        each = kind.slope(log_p, scratch(len(parts)))
        if kind.kind == "others":
            each.scatter_(1, labels, 0.0)
        parts.append((slope, each))
        through.addcmul_(slope, each.sum(1, keepdim=True))
    if masses is not None:
        through.add_(masses.sum(1, keepdim=True))
    if norm is not None:
        through.div_(norm)
    p.mul_(through.neg_())
    for slope, each in parts:
        p.addcmul_(slope, each)
    if everywhere is not None:
        p.add_(everywhere)
    if masses is not None:
        p.add_(masses)
    if of_label is not None:
        p.scatter_add_(1, labels, of_label)


def mass_gradient(
    p: Tensor, valid: Tensor | None, mass_min: float, grad_mass: Tensor, out: Tensor
) -> Tensor:
    """d mass / d log p_k of a block's probabilities (n, C, p) times ``grad_mass`` (C,), in ``out``."""
    inside = (p >= mass_min).logical_and_(p <= 1.0 - mass_min)
    if valid is not None:
        inside.logical_and_(valid)
    return torch.mul(p, inside, out=out).mul_(grad_mass.view(1, -1, 1))


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
    for samples, pixels in pixel_blocks(n, p, BLOCK_VALUES // c):
        at = samples, slice(None), pixels
        block = logits[at]
        log_p, other = scratch.view(0, block.shape), scratch.view(1, block.shape)
        labels, valid = block_labels(target[at], c, ignore_index)
        peak = saved.peak[at].copy_(block.amax(1, keepdim=True))
        torch.sub(block, peak, out=log_p)
        log_norm = torch.exp(log_p, out=other).sum(1, keepdim=True).log_()
        saved.log_norm[at] = log_norm
        log_p.sub_(log_norm)
        totals = block_totals(kinds, log_p, labels, other)
        for kind, total in totals.items():
            saved.totals[kind][at] = total
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
    n, c, p = logits.shape
    for samples, pixels in pixel_blocks(n, p, BLOCK_VALUES // c):
        at = samples, slice(None), pixels
        block = logits[at]
        labels, valid = block_labels(target[at], c, ignore_index)
        log_p = torch.sub(block, saved.peak[at], out=scratch.view(0, block.shape))
        log_p.sub_(saved.log_norm[at])
        out = grad[at] if direct else scratch.view(1, block.shape)
        torch.exp(log_p, out=out)
        masses = None
        if grad_mass is not None:
            memory = scratch.view(2 + len(kinds), block.shape)
            masses = mass_gradient(out, valid, mass_min, grad_mass, memory)
        block_gradient(
            terms,
            log_p,
            out,
            labels,
            {kind: total[at] for kind, total in saved.totals.items()},
            where_valid(valid, grad_loss[at]),
            lambda i, shape=block.shape: scratch.view(2 + i, shape),
            masses=masses,
        )
        if not direct:
            grad[at] = out
