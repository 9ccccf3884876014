"""What the fused losses give, by torch's own operations: their oracle, put together from the same terms.

It runs where no kernel can go, and in a backward pass that is itself to be differentiated: a kernel's own
is written out for one derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from anl_seg.functional._pixels import Pixels, valid_mask
from anl_seg.kernels.dispatch import transforms_active
from anl_seg.kernels.terms import Term


def pixel_loss(
    logits: Tensor,
    target: Tensor,
    terms: Sequence[Term],
    ignore_index: int,
    mass_min: float | None,
) -> tuple[Tensor, Tensor | None]:
    """See :func:`anl_seg.kernels.fused.fused_pixel_loss`; the terms checked for their classes."""
    first, *others = (term.functional_form(logits, target, ignore_index) for term in terms)
    mass = None if mass_min is None else Pixels(logits, target, ignore_index).mass(mass_min)
    return sum(others, first), mass


#: Of what `is_grads_batched` hands to a backward pass; older releases of torch cannot tell.
_is_batched = getattr(torch._C._functorch, "is_legacy_batchedtensor", lambda _: False)


def asked_of_backward(*upstream: Tensor | None) -> bool:
    """Whether a backward pass must be made of torch's own operations, by the gradients that it gets.

    With ``create_graph=True`` it is differentiated itself, with ``is_grads_batched=True`` it gets many.
    """
    if torch.is_grad_enabled() or transforms_active():
        return True
    return any(grad is not None and _is_batched(grad) for grad in upstream)


def differentiable(
    form: Callable[[Tensor], Sequence[Tensor | None]],
    logits: Tensor,
    upstream: Sequence[Tensor | None],
) -> Tensor:
    """The gradient of ``logits``, which can itself be differentiated.

    Args:
        form: the functional form, a function of the logits alone.
        logits: as a backward pass finds them among its saved tensors, with their graph.
        upstream: the gradient of what ``form`` returns; None = 0.
    """
    with torch.enable_grad():
        outputs = form(logits)
    pairs = [(out, grad) for out, grad in zip(outputs, upstream) if grad is not None]
    if not pairs:
        return torch.zeros_like(logits)
    values, grads = zip(*pairs)
    return torch.autograd.grad(values, logits, grads, create_graph=True)[0]


def gradient(
    logits: Tensor,
    target: Tensor,
    terms: Sequence[Term],
    ignore_index: int,
    mass_min: float | None,
    upstream: Sequence[Tensor | None],
) -> Tensor:
    """:func:`differentiable` of :func:`pixel_loss`, by the gradients of loss and mass."""
    return differentiable(
        lambda z: pixel_loss(z, target, terms, ignore_index, mass_min), logits, upstream
    )


def resize(logits: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """(N, C, h, w) -> (N, C, H, W), bilinear; float32, or float64 of float64."""
    full = logits if logits.dtype == torch.float64 else logits.float()
    return F.interpolate(full, tuple(size), mode="bilinear", align_corners=align_corners)


def upsampled_pixel_loss(
    logits: Tensor,
    target: Tensor,
    pixel_weight: Tensor | None,
    terms: Sequence[Term],
    align_corners: bool,
    ignore_index: int,
    mass_min: float | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """See :func:`anl_seg.kernels.upsampled.upsampled_pixel_loss`; two channels or more."""
    large = resize(logits, target.shape[1:], align_corners)
    loss, mass = pixel_loss(large, target, terms, ignore_index, mass_min)
    valid = valid_mask(target, large.shape[1], ignore_index)
    if pixel_weight is not None:
        loss = loss * torch.where(valid, pixel_weight.detach().to(loss.dtype), 0.0)
    correct = (valid & (large.detach().argmax(dim=1) == target)).sum()
    return loss.sum(), correct, mass
