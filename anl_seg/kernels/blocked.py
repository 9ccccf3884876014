"""The fused losses on the CPU: torch operations on blocks of pixels that stay in the cache.

A block is a view (n, C, p) of the logits. The forward pass keeps a few numbers per pixel; the backward
pass computes the block's probabilities anew and writes the gradient where it belongs. Nothing of the
logits' size lies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from anl_seg.kernels.block_threads import for_blocks
from anl_seg.kernels.pixel_blocks import block_labels, pixel_blocks, zero_ignored
from anl_seg.kernels.terms import (
    ClassSum,
    Term,
    any_infinite,
    class_sums,
    fast_exp,
    mixed_slopes,
    mixed_value,
)

#: Values of a block (pixels x classes): few enough for the cache, enough to hide the cost of an operation.
BLOCK_VALUES = 1 << 19
#: Pixels of a block at the most: the allocator takes larger memory from the system, page by page.
BLOCK_PIXELS = 1 << 15


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
        self._memory = [torch.empty(size, dtype=dtype, device=like.device) for _ in range(number)]

    def view(self, number: int, shape: torch.Size) -> Tensor:
        """(n, C, p), the classes outermost in memory: what sums over them wants."""
        n, c, p = shape
        return self._memory[number][: n * c * p].view(n, c, p)


def _blocks(shape: torch.Size) -> list[tuple[slice, slice, slice]]:
    n, c, p = shape
    # One thread's share at the most, so that small logits are shared out too.
    threads = torch.get_num_threads()
    share = max(BLOCK_VALUES >> 4, -(-n * c * p // threads))
    most = min(BLOCK_PIXELS, min(BLOCK_VALUES, share) // c)
    return [(samples, slice(None), pixels) for samples, pixels in pixel_blocks(n, p, most)]


def _less_peak(block: Tensor, peak: Tensor, out: Tensor) -> Tensor:
    """:func:`anl_seg.functional._pixels.less_peak` of a block, in ``out``."""
    torch.sub(block, peak, out=out)
    return out.masked_fill_(block == peak, 0.0) if any_infinite(peak) else out


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
        # The clamp of logarithms is a pass of its own, and changes nothing where their sum is finite.
        each = log_p if kind.kind == "log" else kind.summand(log_p, scratch)
        if kind.kind == "others":
            each.scatter_(1, labels, 0.0)
        totals[kind] = each.sum(1, keepdim=True)
        if kind.kind == "log" and any_infinite(totals[kind]):
            totals[kind] = kind.summand(log_p, scratch).sum(1, keepdim=True)
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
    parts: list[tuple[Tensor, Tensor]] = []
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
    if everywhere is None:
        p.mul_(through.neg_())
    else:
        torch.addcmul(everywhere, p, through.neg_(), out=p)
    for slope, each in parts:
        p.addcmul_(slope, each)
    if masses is not None:
        p.add_(masses)
    if of_label is not None:
        p.scatter_add_(1, labels, of_label)


def mass_gradient(
    p: Tensor, counts: Tensor | None, mass_min: float, grad_mass: Tensor, out: Tensor
) -> Tensor:
    """d mass / d log p_k of a block's probabilities (n, C, p) times ``grad_mass`` (C,), in ``out``."""
    torch.ge(p, mass_min, out=out).mul_(p)
    if out.device.type != "cpu" or out.amax() > 1.0 - mass_min:
        out.mul_(out <= 1.0 - mass_min)
    if counts is not None:
        out.mul_(counts)
    return out.mul_(grad_mass.view(1, -1, 1))


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
    loss = torch.empty(n, 1, p, dtype=dtype, device=logits.device)
    kinds = class_sums(terms)
    saved = Saved(
        torch.empty_like(loss),
        torch.empty_like(loss),
        {kind: torch.empty_like(loss) for kind in kinds},
    )

    def job(at: tuple[slice, slice, slice], scratch: _Scratch) -> Tensor | None:
        block = logits[at]
        log_p, other = scratch.view(0, block.shape), scratch.view(1, block.shape)
        labels, counts = block_labels(target[at], c, ignore_index, dtype)
        peak = saved.peak[at].copy_(block.amax(1, keepdim=True))
        log_norm = fast_exp(_less_peak(block, peak, log_p), other).sum(1, keepdim=True).log_()
        saved.log_norm[at] = log_norm
        log_p.sub_(log_norm)
        totals = block_totals(kinds, log_p, labels, other)
        for kind, total in totals.items():
            saved.totals[kind][at] = total
        value = mixed_value(terms, log_p.gather(1, labels), totals)
        loss[at] = zero_ignored(value, counts)
        if mass_min is None:
            return None
        fast_exp(log_p, other).clamp_(mass_min, 1.0 - mass_min)
        return zero_ignored(other, counts).sum((0, 2))

    masses = for_blocks(job, _blocks(logits.shape), partial(_Scratch, logits, dtype, 2))
    mass = None
    if mass_min is not None:
        mass = torch.zeros(c, dtype=dtype, device=logits.device)
        for part in masses:
            if part is not None:
                mass.add_(part)
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
    number = 2 + len(kinds) + (grad_mass is not None)

    def job(at: tuple[slice, slice, slice], scratch: _Scratch) -> None:
        block = logits[at]
        labels, counts = block_labels(target[at], block.shape[1], ignore_index, dtype)
        log_p = _less_peak(block, saved.peak[at], scratch.view(0, block.shape))
        log_p.sub_(saved.log_norm[at])
        out = grad[at] if direct else scratch.view(1, block.shape)
        fast_exp(log_p, out)
        masses = None
        if grad_mass is not None and mass_min is not None:
            memory = scratch.view(2 + len(kinds), block.shape)
            masses = mass_gradient(out, counts, mass_min, grad_mass, memory)
        block_gradient(
            terms,
            log_p,
            out,
            labels,
            {kind: total[at] for kind, total in saved.totals.items()},
            zero_ignored(grad_loss[at].clone(), counts),
            lambda i: scratch.view(2 + i, block.shape),
            masses=masses,
        )
        if not direct:
            grad[at] = out

    for_blocks(job, _blocks(logits.shape), partial(_Scratch, logits, dtype, number))
