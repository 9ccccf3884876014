"""The fused losses for two classes, where a pixel's gradient is one number.

With two classes dL / dz_y = -dL / dz_o = G_y p_o - G_o p_y, y the label and o the other. The forward pass
computes this number beside the loss, from d = z_y - z_o alone, and the backward pass only scales it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anl_seg.kernels.pixel_blocks import block_labels, pixel_blocks, where_valid
from anl_seg.kernels.terms import ClassSum, Term, class_sums, mixed_slopes, mixed_value

#: Pixels of a block.
BLOCK_PIXELS = 1 << 15


def _log_probs(margin: Tensor) -> tuple[Tensor, Tensor]:
    """log p_y and log p_o of d = z_y - z_o, to full precision on both sides of 0."""
    tail = torch.exp(margin.abs().neg_()).log1p_().neg_()
    return margin.clamp(max=0.0).add_(tail), tail.sub_(margin.clamp(min=0.0))


def _signs(target: Tensor, ignore_index: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """1 for label 1, -1 for label 0, 0 where ignored; and which pixels count, None = all.

    Raises:
        ValueError: a label out of range.
    """
    labels = target.to(dtype)
    low, high = labels.aminmax()
    if low >= 0.0 and high <= 1.0 and ignore_index not in (0, 1):
        return labels.mul_(2.0).sub_(1.0), None
    labels, valid = block_labels(target, 2, ignore_index)
    sign = labels.to(dtype).mul_(2.0).sub_(1.0)
    return sign if valid is None else sign.mul_(valid), valid


def _total(kind: ClassSum, log_label: Tensor, log_other: Tensor) -> Tensor:
    """The sum over both classes, of ``others`` over one."""
    there = kind.summand(log_other, torch.empty_like(log_other))
    if kind.kind == "others":
        return there
    return kind.summand(log_label, torch.empty_like(log_label)) + there


def _pull(
    terms: Sequence[Term], log_label: Tensor, log_other: Tensor, totals: dict[ClassSum, Tensor]
) -> Tensor:
    """G_y p_o - G_o p_y of each pixel."""
    of_label, of_sums = mixed_slopes(terms, log_label, totals)
    p_label, p_other = log_label.exp(), log_other.exp()
    pull = torch.zeros_like(p_label) if of_label is None else of_label.mul_(p_other)
    for kind, slope in of_sums.items():
        here, there = p_other, p_label  # G_y p_o, and G_o p_y
        if kind.kind != "log":
            there = kind.slope(log_other, torch.empty_like(log_other)).mul_(p_label)
            if kind.kind == "others":
                pull.sub_(slope.mul_(there))
                continue
            here = kind.slope(log_label, torch.empty_like(log_label)).mul_(p_other)
        pull.add_(slope.mul_(here - there))
    return pull


def forward(
    logits: Tensor, target: Tensor, ignore_index: int, terms: Sequence[Term], need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Loss of each pixel, and its gradient with respect to the logit of class 1.

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
    loss = torch.empty(n, p, dtype=dtype)
    pull = torch.empty_like(loss) if need_grad else None
    kinds = class_sums(terms)
    for at in pixel_blocks(n, p, BLOCK_PIXELS):
        block = logits[at[0], :, at[1]].to(dtype)
        sign, valid = _signs(target[at], ignore_index, dtype)
        margin = block[:, 0] if c == 1 else block[:, 1] - block[:, 0]
        # An ignored pixel's margin is 0 even where its logits are NaN.
        margin = margin * sign if valid is None else torch.where(valid, margin * sign, 0.0)
        log_label, log_other = _log_probs(margin)
        totals = {kind: _total(kind, log_label, log_other) for kind in kinds}
        value = mixed_value(terms, log_label, totals)
        loss[at] = where_valid(valid, value)
        if pull is not None:
            torch.mul(_pull(terms, log_label, log_other, totals), sign, out=pull[at])
    return loss, pull


def backward(pull: Tensor, grad_loss: Tensor, grad: Tensor) -> None:
    """Write the gradient of the logits to ``grad``, (N, C, P); ``pull`` and ``grad_loss`` are (N, P)."""
    if grad.dtype == pull.dtype:
        torch.mul(pull, grad_loss, out=grad[:, -1])
    else:
        grad[:, -1] = pull * grad_loss
    if grad.shape[1] == 2:
        torch.neg(grad[:, 1], out=grad[:, 0])
