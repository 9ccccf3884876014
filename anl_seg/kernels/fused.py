"""One fused loss over one softmax, for any sum of the terms in :mod:`anl_seg.kernels.terms`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from anl_seg.functional._pixels import Pixels, flat_labels, flat_pixels, with_two_channels
from anl_seg.kernels import blocked, compiled, functional_form, two_classes
from anl_seg.kernels.dispatch import obstacle
from anl_seg.kernels.terms import Term, for_classes


class _TwoClasses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, ignore_index: int, terms: tuple
    ) -> Tensor:
        need_grad = ctx.needs_input_grad[0]
        loss, pull = two_classes.forward(logits, target, ignore_index, terms, need_grad)
        if pull is not None:
            ctx.save_for_backward(logits, target, pull)
            ctx.settings = terms, ignore_index
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, pull = ctx.saved_tensors
        if functional_form.asked_of_backward(grad_loss):
            terms, ignore_index = ctx.settings
            upstream = grad_loss, None
            grad = functional_form.gradient(logits, target, terms, ignore_index, None, upstream)
            return grad, None, None, None
        grad = torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)
        two_classes.backward(pull, grad_loss, grad)
        return grad, None, None, None


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        ignore_index: int,
        terms: tuple,
        mass_min: float | None,
    ) -> tuple[Tensor, Tensor | None]:
        loss, mass, saved = blocked.forward(logits, target, ignore_index, terms, mass_min)
        if ctx.needs_input_grad[0]:
            ctx.kinds = tuple(saved.totals)
            ctx.save_for_backward(
                logits, target, saved.peak, saved.log_norm, *saved.totals.values()
            )
            ctx.settings = terms, ignore_index, mass_min
        return loss, mass

    @staticmethod
    def backward(
        ctx: Any, grad_loss: Tensor, grad_mass: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        logits, target, peak, log_norm, *totals = ctx.saved_tensors
        terms, ignore_index, mass_min = ctx.settings
        if mass_min is None:
            grad_mass = None
        if functional_form.asked_of_backward(grad_loss, grad_mass):
            labels, upstream = target.squeeze(1), (grad_loss.squeeze(1), grad_mass)
            grad = functional_form.gradient(logits, labels, terms, ignore_index, mass_min, upstream)
            return grad, None, None, None, None
        saved = blocked.Saved(peak, log_norm, dict(zip(ctx.kinds, totals)))
        grad = torch.empty_like(logits)
        blocked.backward(
            logits, target, ignore_index, terms, mass_min, saved, grad_loss, grad_mass, grad
        )
        return grad, None, None, None, None


def fused_pixel_loss(
    logits: Tensor,
    target: Tensor,
    terms: Sequence[Term],
    *,
    ignore_index: int = 255,
    mass_min: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """The weighted sum of the terms per pixel, as their functions in :mod:`anl_seg.functional` give it.

    The inputs are left intact. Half-precision logits are computed in float32, and get a gradient of their
    own dtype. The functional form runs where no kernel can go (``dispatch.obstacle``), and in a backward pass
    with ``create_graph=True``.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        terms: see :mod:`anl_seg.kernels.terms`; at least one.
        ignore_index: label of pixels that do not count.
        mass_min: where given, the sum over valid pixels of the probabilities, clamped to
            [mass_min, 1 - mass_min], is returned too: what the entropy regularization needs.

    Returns:
        Loss (N, *), 0 where ignored, and the mass (C,) or None; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    px = Pixels(logits, target, ignore_index)
    if obstacle(logits) is None:
        return fused_loss_of(px, tuple(terms), mass_min)
    terms = for_classes(tuple(terms), px.num_classes)
    return functional_form.pixel_loss(logits, target, terms, px.ignore_index, mass_min)


def fused_loss_of(
    px: Pixels, terms: tuple[Term, ...], mass_min: float | None
) -> tuple[Tensor, Tensor | None]:
    """:func:`fused_pixel_loss` of a batch that is checked already, and for which there is no obstacle."""
    logits, target, ignore_index, num_classes = px.given, px.target, px.ignore_index, px.num_classes
    terms = for_classes(terms, num_classes)
    if logits.is_cuda:
        from anl_seg.kernels import cuda

        return cuda.fused_pixel_loss(logits, target, terms, ignore_index, mass_min)
    shape = target.shape
    pixels, labels = flat_pixels(logits), flat_labels(target).long()
    if compiled.serves(pixels, terms):
        loss, mass = compiled.fused_pixel_loss(pixels, labels, ignore_index, terms, mass_min)
        return loss.view(shape), mass
    if num_classes == 2 and mass_min is None:
        return _TwoClasses.apply(pixels, labels, ignore_index, terms).view(shape), None
    pixels = with_two_channels(pixels)
    loss, mass = _Blocked.apply(pixels, labels.unsqueeze(1), ignore_index, terms, mass_min)
    return loss.view(shape), mass
