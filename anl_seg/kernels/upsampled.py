"""A loss over bilinearly resized logits without the resized logits.

A segmentation head's logits are often four times smaller per side than the labels. The loss over the
resized logits is computed a few output rows at a time: the rows are made from the few source rows that
they need, the block's gradient follows its loss at once, and goes back through the transposed interpolation
into the gradient of the small logits. As the result is a sum with known weights, nothing but that small
gradient is kept, and the backward pass only scales it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anl_seg.functional._labels import check_labels
from anl_seg.functional._pixels import (
    check_label_tensor,
    label_to_ignore,
    valid_mask,
    with_two_channels,
)
from anl_seg.functional._precision import no_autocast_on
from anl_seg.kernels import functional_form
from anl_seg.kernels.blocked import block_gradient, block_totals, mass_gradient
from anl_seg.kernels.dispatch import needs_torch
from anl_seg.kernels.pixel_blocks import block_labels, zero_ignored
from anl_seg.kernels.row_blocks import RowBlocks
from anl_seg.kernels.terms import Term, any_infinite, class_sums, fast_exp, mixed_value

#: Values of a block. On the CPU it stays in the cache; a GPU wants enough work for each operation.
BLOCK_VALUES = {"cpu": 1 << 19, "cuda": 1 << 24}


class UpsampledLoss(NamedTuple):
    """Attributes:
    total: weighted sum of the losses of all pixels, a scalar with a gradient.
    correct: number of valid pixels whose label has the largest logit, the first where several do; int64.
    mass: (C,), sum over valid pixels of the clamped probabilities, with a gradient; or None.
    """

    total: Tensor
    correct: Tensor
    mass: Tensor | None


class Blocks:
    """What the passes over the blocks share: resized logits, labels and weights, block by block."""

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        ignore_index: int,
        align_corners: bool,
        scratches: int,
    ) -> None:
        self.dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        self.classes = logits.shape[1]
        self.target, self.ignore_index = target, ignore_index
        self.on_cpu = logits.device.type == "cpu"
        values = BLOCK_VALUES.get(logits.device.type, BLOCK_VALUES["cuda"])
        self._rows = RowBlocks(logits, target.shape[1:], align_corners, self.dtype, values)
        size = math.prod(self._rows.shape)
        self._memory = torch.empty(1 + scratches, size, dtype=self.dtype, device=logits.device)

    def run(self, job: Any) -> Tensor | None:
        """See :meth:`RowBlocks.run`; ``job(block, images, rows)`` gets (n * r, C, W)."""

        def call(block: Tensor, images: slice, rows: slice) -> Tensor | None:
            grad = job(block.flatten(0, 1), images, rows)
            return None if grad is None else grad.view(block.shape)

        return self._rows.run(call, self._memory[0])

    def scratch(self, number: int, like: Tensor) -> Tensor:
        """Memory of the shape of a block."""
        return self._memory[1 + number][: like.numel()].view(like.shape)

    def labels(self, images: slice, rows: slice) -> tuple[Tensor, Tensor | None]:
        """(n * r, 1, W): labels to gather by, and 1.0 where they count, else 0.0 (None: all count)."""
        target = self.target[images, rows].flatten(0, 1).unsqueeze(1).long()
        if self.on_cpu:
            return block_labels(target, self.classes, self.ignore_index, self.dtype)
        valid = valid_mask(target, self.classes, self.ignore_index)
        return torch.where(valid, target, 0), valid.to(self.dtype)

    def shifted(self, block: Tensor, exp: Tensor) -> Tensor:
        """The block less its largest logit, in place; its exponential in ``exp``; the sum of that."""
        block.sub_(block.amax(1, keepdim=True))
        return fast_exp(block, exp).sum(1, keepdim=True)


class _LossPass:
    """Loss, accuracy, mass and the gradient of the loss of each block."""

    def __init__(
        self,
        blocks: Blocks,
        terms: Sequence[Term],
        pixel_weight: Tensor | None,
        mass_min: float | None,
        need_grad: bool,
    ) -> None:
        self.blocks, self.terms, self.kinds = blocks, terms, class_sums(terms)
        self.pixel_weight, self.mass_min, self.need_grad = pixel_weight, mass_min, need_grad
        device = blocks.target.device
        #: Weighted losses of each block; one after the other, float32 would lose digits.
        self.totals = [torch.zeros((), dtype=blocks.dtype, device=device)]
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        #: Masses of each block.
        self.masses = [torch.zeros(blocks.classes, dtype=blocks.dtype, device=device)]

    def _count_correct(self, block: Tensor, norm: Tensor, index: Tensor, counts: Any) -> None:
        """``block``: shifted logits, so that 0 is the largest of a pixel."""
        if self.blocks.on_cpu:
            hit = block.gather(1, index) == 0.0
            if counts is not None:
                hit.logical_and_(counts)
            # argmax would cost as much as all else. Only a tie needs it, and a tie makes the norm 2.
            row, _, column = (hit & (norm >= 2.0)).nonzero(as_tuple=True)
            if len(row):
                first = block[row, :, column].argmax(1)
                self.correct -= (first != index[row, 0, column]).sum()
        else:
            hit = (block.argmax(1, keepdim=True) == index).logical_and_(counts)
        self.correct += hit.sum()

    def __call__(self, block: Tensor, images: slice, rows: slice) -> Tensor | None:
        blocks = self.blocks
        index, counts = blocks.labels(images, rows)
        exp, other = blocks.scratch(0, block), blocks.scratch(1, block)
        norm = blocks.shifted(block, exp)
        self._count_correct(block, norm, index, counts)
        log_p = block.sub_(norm.log())
        totals = block_totals(self.kinds, log_p, index, other)
        value = mixed_value(self.terms, log_p.gather(1, index), totals)
        value = zero_ignored(value, counts)
        if self.pixel_weight is None:
            upstream = torch.ones_like(value)
        else:
            weight = self.pixel_weight[images, rows].flatten(0, 1).unsqueeze(1)
            upstream = weight.to(value.dtype, copy=True)
        upstream = zero_ignored(upstream, counts)
        self.totals.append((value * upstream).sum())
        if self.mass_min is not None:
            torch.div(exp, norm, out=other).clamp_(self.mass_min, 1.0 - self.mass_min)
            self.masses.append(zero_ignored(other, counts).sum((0, 2)))
        if not self.need_grad:
            return None
        block_gradient(
            self.terms,
            log_p,
            exp,
            index,
            totals,
            upstream,
            lambda i: blocks.scratch(1 + i, block),
            norm=norm,
        )
        return exp


class _MassPass:
    """The gradient of each block from that of the mass, which is known in the backward pass only."""

    def __init__(self, blocks: Blocks, mass_min: float, grad_mass: Tensor) -> None:
        self.blocks, self.mass_min = blocks, mass_min
        self.grad_mass = grad_mass.to(blocks.dtype)

    def __call__(self, block: Tensor, images: slice, rows: slice) -> Tensor:
        _, counts = self.blocks.labels(images, rows)
        p = self.blocks.scratch(0, block)
        p.div_(self.blocks.shifted(block, p))
        masses = mass_gradient(p, counts, self.mass_min, self.grad_mass, block)
        return masses.sub_(p.mul_(masses.sum(1, keepdim=True)))


class _Upsampled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        pixel_weight: Tensor | None,
        terms: tuple,
        align_corners: bool,
        ignore_index: int,
        mass_min: float | None,
        need_grad: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        scratches = 2 + sum(kind.kind != "log" for kind in class_sums(terms))
        with no_autocast_on(logits.device.type):
            blocks = Blocks(logits, target, ignore_index, align_corners, scratches)
            loss = _LossPass(blocks, terms, pixel_weight, mass_min, need_grad)
            grad = blocks.run(loss)
        if need_grad:
            # Without a pixel there is no block.
            grad = torch.zeros_like(logits, dtype=blocks.dtype) if grad is None else grad
            ctx.settings = terms, align_corners, ignore_index, mass_min
            ctx.set_materialize_grads(False)
            # All that is not small, labels and weights, belongs to the caller.
            ctx.save_for_backward(grad, logits, target, pixel_weight)
        ctx.mark_non_differentiable(loss.correct)
        mass = None if mass_min is None else torch.stack(loss.masses).sum(0)
        return torch.stack(loss.totals).sum(), loss.correct, mass

    @staticmethod
    def backward(
        ctx: Any, grad_total: Tensor | None, _: Any, grad_mass: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        kept, logits, target, pixel_weight = ctx.saved_tensors
        _, align_corners, ignore_index, mass_min = ctx.settings
        if functional_form.asked_of_backward(grad_total, grad_mass):
            grad = functional_form.differentiable(
                lambda z: functional_form.upsampled_pixel_loss(
                    z, target, pixel_weight, *ctx.settings
                ),
                logits,
                (grad_total, None, grad_mass),
            )
            return (grad, *[None] * 7)
        grad = torch.zeros_like(kept) if grad_total is None else kept * grad_total
        if grad_mass is not None:
            with no_autocast_on(logits.device.type):
                blocks = Blocks(logits, target, ignore_index, align_corners, 1)
                of_mass = blocks.run(_MassPass(blocks, mass_min, grad_mass))
            if of_mass is not None:
                grad.add_(of_mass)
        return (grad.to(logits.dtype), *[None] * 7)


def takes_functional_form(logits: Tensor) -> bool:
    """Whether logits are to be resized as a whole.

    Of an infinite logit on the CPU too: all rows of a block would be made of it, with weights of 0.
    """
    return needs_torch(logits) is not None or any_infinite(logits.detach())


def check_inputs(logits: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> None:
    """Raise unless small logits, labels and weights fit; see :func:`upsampled_pixel_loss`."""
    if logits.dim() != 4 or 0 in logits.shape[1 : 4 if target.numel() else 2]:
        raise ValueError(
            f"logits must have shape (N, C, h, w), none of C, h, w 0; got {tuple(logits.shape)}."
        )
    if not logits.is_floating_point():
        raise TypeError(f"logits must be of a floating-point dtype; got {logits.dtype}.")
    check_label_tensor(target, logits, (len(logits), "H", "W"))
    if pixel_weight is not None and pixel_weight.shape != target.shape:
        raise ValueError(
            f"pixel_weight must have the shape of the labels, {tuple(target.shape)}; "
            f"got {tuple(pixel_weight.shape)}."
        )


def upsampled_pixel_loss(
    logits: Tensor,
    target: Tensor,
    pixel_weight: Tensor | None,
    terms: Sequence[Term],
    *,
    align_corners: bool = False,
    ignore_index: int = 255,
    mass_min: float | None = None,
) -> UpsampledLoss:
    """The weighted sum over all pixels of the terms, of logits bilinearly resized to the labels' size.

    As ``F.interpolate(logits, (H, W), mode='bilinear')`` and the losses' functions in
    :mod:`anl_seg.functional` give it, without the resized tensor: that is made only where it must be (a
    transform of ``torch.func``, a backward pass with ``create_graph=True``, an infinite logit on the CPU).
    Differentiable by ``logits`` only. Half-precision logits are resized and computed in float32, and get
    a gradient of their own dtype.
    With ``mass_min`` the backward pass goes over the blocks again.

    Args:
        logits: (N, C, h, w), any real; one channel is a binary head.
        target: (N, H, W), integers in [0, C) or ``ignore_index``.
        pixel_weight: (N, H, W) weight of each pixel, 0 or more; None = 1. Held constant.
        terms: see :mod:`anl_seg.kernels.terms`; at least one.
        align_corners: as in ``F.interpolate``.
        ignore_index: label of pixels that do not count, whatever their weight.
        mass_min: where given, the sum over valid pixels of the probabilities, clamped to
            [mass_min, 1 - mass_min], is returned too: what the entropy regularization needs.

    Returns:
        See :class:`UpsampledLoss`; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_inputs(logits, target, pixel_weight)
    ignore_index = label_to_ignore(ignore_index)
    if not terms:
        raise ValueError("terms must have at least one term; got none.")
    logits = with_two_channels(logits)
    terms = tuple(term.for_classes(logits.shape[1]) for term in terms)
    if target.device.type != "cpu":  # on the CPU each block is checked while it is in the cache
        check_labels(target.long(), logits.shape[1], ignore_index)
    settings = terms, align_corners, ignore_index, mass_min
    if target.numel() and takes_functional_form(logits):
        with no_autocast_on(logits.device.type):
            result = functional_form.upsampled_pixel_loss(logits, target, pixel_weight, *settings)
    else:
        need_grad = torch.is_grad_enabled() and logits.requires_grad
        result = _Upsampled.apply(logits, target, pixel_weight, *settings, need_grad)
    return UpsampledLoss(*result)
