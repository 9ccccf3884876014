"""The fused losses for two classes, where a pixel's gradient is one number.

With two classes dL / dz_y = -dL / dz_o = G_y p_o - G_o p_y, y the label and o the other. The forward pass
computes this number beside the loss, from d = z_y - z_o alone, and the backward pass only scales it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anl_seg.kernels.block_threads import for_blocks
from anl_seg.kernels.pixel_blocks import counted_labels, pixel_blocks, zero_ignored
from anl_seg.kernels.terms import (
    ClassSum,
    Term,
    any_infinite,
    class_sums,
    fast_exp,
    mixed_value,
    mixed_value_and_slopes,
)

#: Pixels of a block.
BLOCK_PIXELS = 1 << 17


def _log_probs(margin: Tensor) -> tuple[Tensor, Tensor]:
    """log p_y and log p_o of d = z_y - z_o, to full precision on both sides of 0."""
    tail = margin.abs().neg_()
    tail = fast_exp(tail, tail).log1p_()
    return margin.clamp(max=0.0).sub_(tail), margin.clamp(min=0.0).neg_().sub_(tail)


def _less(left: Tensor, right: Tensor) -> Tensor:
    """left - right; 0 where both are the same infinity, as in :func:`less_peak` of the functional form."""
    difference = left - right
    if any_infinite(difference):
        difference.masked_fill_(left == right, 0.0)
    return difference


def _side(labels: Tensor, counts: Tensor | None) -> Tensor:
    """1 for label 0, -1 for label 1, 0 where ignored."""
    return (1.0 - 2.0 * labels) if counts is None else torch.sub(counts, labels, alpha=2.0)


def _total(kind: ClassSum, log_label: Tensor, log_other: Tensor) -> Tensor:
    """The sum over both classes, of ``others`` over one."""
    there = kind.summand(log_other, torch.empty_like(log_other))
    if kind.kind == "others":
        return there
    return kind.summand(log_label, torch.empty_like(log_label)) + there


def _pull(
    of_label: Tensor | None, of_sums: dict[ClassSum, Tensor], log_label: Tensor, log_other: Tensor
) -> Tensor:
    """G_y p_o - G_o p_y of each pixel, from the slopes of the terms."""
    p_label = fast_exp(log_label, torch.empty_like(log_label))
    p_other = fast_exp(log_other, torch.empty_like(log_other))
    pull = torch.zeros_like(p_label) if of_label is None else of_label.mul_(p_other)
    for kind, slope in of_sums.items():
        here, there = p_other, p_label  # G_y p_o, and G_o p_y
        if kind.kind != "log":
            there = kind.slope(log_other, torch.empty_like(log_other)).mul_(p_label)
            if kind.kind == "others":
                pull.addcmul_(slope, there, value=-1.0)
                continue
            here = kind.slope(log_label, torch.empty_like(log_label)).mul_(p_other)
        pull.addcmul_(slope, here - there)
    return pull


def forward(
    logits: Tensor, target: Tensor, ignore_index: int, terms: Sequence[Term], need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Loss of each pixel, and its gradient with respect to the logit of class 0.

    Args:
        logits: (N, C, P), C = 2, or 1 for a binary head: [0, z].
        target: (N, P) int64, 0, 1 or ``ignore_index``.
        ignore_index: label of pixels that do not count.
        terms: see :mod:`anl_seg.kernels.terms`.
        need_grad: whether the gradient is wanted.

    Returns:
        (N, P) each, 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range.
    """
    n, c, p = logits.shape
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    loss = torch.empty(n, p, dtype=dtype, device=logits.device)
    pull = torch.empty_like(loss) if need_grad else None
    kinds = class_sums(terms)

    def job(at: tuple[slice, slice], _: None) -> None:
        block = logits[at[0], :, at[1]].to(dtype)
        labels, counts = counted_labels(target[at], 2, ignore_index, dtype)
        side = _side(labels, counts)
        margin = (-block[:, 0] if c == 1 else _less(block[:, 0], block[:, 1])).mul_(side)
        # An ignored pixel's margin is 0 even where its logits are NaN.
        margin = zero_ignored(margin, counts)
        log_label, log_other = _log_probs(margin)
        totals = {kind: _total(kind, log_label, log_other) for kind in kinds}
        if pull is None:
            loss[at] = zero_ignored(mixed_value(terms, log_label, totals), counts)
            return
        value, of_label, of_sums = mixed_value_and_slopes(terms, log_label, totals)
        loss[at] = zero_ignored(value, counts)
        torch.mul(_pull(of_label, of_sums, log_label, log_other), side, out=pull[at])

    for_blocks(job, list(pixel_blocks(n, p, BLOCK_PIXELS)), lambda: None)
    return loss, pull


def backward(pull: Tensor, grad_loss: Tensor, grad: Tensor) -> None:
    """Write the gradient of the logits to ``grad``, (N, C, P); ``pull`` and ``grad_loss`` are (N, P)."""
    if grad.shape[1] == 1:
        grad[:, 0] = (pull * grad_loss).neg_()
        return
    if grad.dtype == pull.dtype:
        torch.mul(pull, grad_loss, out=grad[:, 0])
    else:
        grad[:, 0] = pull * grad_loss
    torch.neg(grad[:, 0], out=grad[:, 1])
