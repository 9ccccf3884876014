"""The fused losses on a CPU in C: the autograd function over softmax_cpu.c.

The library is built when the package is installed, if there is a C compiler. Without it the torch operations
of :mod:`anl_seg.kernels.blocked` and :mod:`anl_seg.kernels.two_classes` do the same, more slowly.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from anl_seg.functional._labels import check_labels
from anl_seg.kernels import functional_form
from anl_seg.kernels import terms as t

#: Sums over the classes that one loss may need: MAX_SUMS of softmax_cpu.c.
MAX_SUMS = 8
#: Values of a task: enough to be worth a thread.
TASK_VALUES = 1 << 15


class _Term(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int32),
        ("sum", ctypes.c_int32),
        ("weight", ctypes.c_float),
        ("a", ctypes.c_float),
        ("b", ctypes.c_float),
    )


class _Sum(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int32),
        ("log_min", ctypes.c_float),
        ("gamma", ctypes.c_float),
        ("top", ctypes.c_float),
    )


class _Loss(ctypes.Structure):
    _fields_ = (
        ("num_samples", ctypes.c_int64),
        ("num_classes", ctypes.c_int64),
        ("num_pixels", ctypes.c_int64),
        ("sample_stride", ctypes.c_int64),
        ("class_stride", ctypes.c_int64),
        ("ignore_index", ctypes.c_int64),
        ("binary", ctypes.c_int32),
        ("num_terms", ctypes.c_int32),
        ("num_sums", ctypes.c_int32),
        ("terms", ctypes.POINTER(_Term)),
        ("sums", ctypes.POINTER(_Sum)),
        ("saves_gradient", ctypes.c_int32),
        ("mass_min", ctypes.c_float),
    )


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled functions, or None where they were not built."""
    found = importlib.util.find_spec("anl_seg.kernels._softmax_cpu")
    if found is None or found.origin is None:
        return None
    try:
        return ctypes.CDLL(found.origin)
    except OSError:  # built for another system
        return None


def serves(logits: Tensor, terms: Sequence[t.Term]) -> bool:
    """Whether the compiled functions take these logits (N, C, P) and terms."""
    return (
        logits.dtype != torch.float64
        and logits.stride(2) == 1
        and library() is not None
        and _in_c(tuple(terms))[2] <= MAX_SUMS
    )


@lru_cache(maxsize=256)
def _in_c(terms: tuple[t.Term, ...]) -> tuple[Any, Any, int]:
    kinds = t.class_sums(terms)
    in_c = (_Term * len(terms))()
    sums = (_Sum * max(len(kinds), 1))()
    for there, term in zip(in_c, terms):
        row, own = t.row(term), term.class_sum
        index = -1
        if own is not None:
            index = kinds.index(own)
            sums[index] = _Sum(t.SUM_KINDS.index(own.kind), row.log_min, row.gamma, row.top)
        there.kind, there.sum, there.weight = row.kind, index, term.weight
        there.a, there.b = row.a, row.b
    return in_c, sums, len(kinds)


def _describe(
    logits: Tensor, ignore_index: int, terms: tuple[t.Term, ...], mass_min: float | None
) -> _Loss:
    in_c, sums, num_sums = _in_c(terms)
    n, channels, p = logits.shape
    binary = channels == 1
    return _Loss(
        n,
        channels + binary,
        p,
        logits.stride(0),
        logits.stride(1),
        ignore_index,
        binary,
        len(terms),
        num_sums,
        in_c,
        sums,
        channels + binary == 2 and mass_min is None,
        mass_min or 0.0,
    )


def _tasks(logits: Tensor) -> int:
    """Into how many ranges the pixels are parted; of the logits' shape alone, as sums depend on it."""
    return max(1, min(64, logits.numel() // TASK_VALUES))


#: What the functions of softmax_cpu.c take, in order. The logits have strides, all else is contiguous.
_ARGUMENTS = {
    "anl_seg_forward": (torch.float32, torch.int64, torch.float32, torch.float32, torch.float64),
    "anl_seg_backward": (torch.float32, torch.int64, *[torch.float32] * 4),
    "anl_seg_weights": (torch.float32, torch.int64, *[torch.float32] * 3),
}


def _address(tensor: Tensor | None, dtype: torch.dtype, strided: bool) -> ctypes.c_void_p:
    """Where the values of a tensor lie, of which C is told nothing but that.

    Raises:
        TypeError: they do not lie there as C reads them.
    """
    if tensor is None:
        return ctypes.c_void_p(None)
    plain = tensor.is_cpu and tensor.dtype == dtype and not tensor.is_neg()
    if not (plain and (tensor.stride(-1) == 1 if strided else tensor.is_contiguous())):
        wanted = "pixels side by side" if strided else "contiguous values"
        raise TypeError(
            f"softmax_cpu.c reads {wanted} of {dtype} on the CPU; got {tensor.dtype} on {tensor.device} "
            f"with strides {tensor.stride()}{', to be negated' if tensor.is_neg() else ''}. "
            "This is a fault of anl_seg."
        )
    return ctypes.c_void_p(tensor.data_ptr())


def _call(name: str, described: _Loss, *arguments: Tensor | None, tasks: int) -> int:
    """Call a function of softmax_cpu.c; it returns whether a label is out of range.

    Raises:
        MemoryError: there is no memory for a chunk.
    """
    dtypes = _ARGUMENTS[name]
    addresses = [_address(a, d, i == 0) for i, (a, d) in enumerate(zip(arguments, dtypes))]
    status = getattr(library(), name)(
        ctypes.byref(described),
        *addresses,
        ctypes.c_int64(tasks),
        ctypes.c_int32(torch.get_num_threads()),
    )
    if status & 2:
        raise MemoryError("no memory for a chunk of logits.")
    return status & 1


def _forward(
    described: _Loss,
    values: Tensor,
    target: Tensor,
    loss: Tensor,
    saved: Tensor | None,
    needs_mass: bool,
) -> Tensor | None:
    """Fill ``loss`` and ``saved``; the mass (C,), float64, or None."""
    classes, tasks = described.num_classes, _tasks(values)
    masses = None
    if needs_mass:
        masses = torch.zeros(tasks, classes, dtype=torch.float64, device=values.device)
    if _call("anl_seg_forward", described, values, target, loss, saved, masses, tasks=tasks):
        check_labels(target, classes, described.ignore_index)
    return None if masses is None else masses.sum(0)


def _as_floats(values: Tensor) -> Tensor:
    """The very values as float32: no copy of what has them already."""
    return values.float().resolve_neg()


def _floats_like(target: Tensor, *rows: int) -> Tensor:
    """A buffer of float32 for each pixel, (*rows, N, P), contiguous."""
    return torch.empty(*rows, *target.shape, dtype=torch.float32, device=target.device)


class _Compiled(torch.autograd.Function):
    """Loss (N, P) of logits (N, C, P) and labels (N, P), and the mass (C,) or None."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        ignore_index: int,
        terms: tuple[t.Term, ...],
        mass_min: float | None,
    ) -> tuple[Tensor, Tensor | None]:
        values = _as_floats(logits)
        target = target.contiguous()
        described = _describe(values, ignore_index, terms, mass_min)
        loss = _floats_like(target)
        saved = None
        if ctx.needs_input_grad[0]:
            saved = _floats_like(target, 1 if described.saves_gradient else 2)
        mass = _forward(described, values, target, loss, saved, mass_min is not None)
        if saved is not None:
            ctx.save_for_backward(logits, target, saved)
            ctx.settings = terms, ignore_index, mass_min
        return loss, None if mass is None else mass.float()

    @staticmethod
    def backward(
        ctx: Any, grad_loss: Tensor, grad_mass: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        logits, target, saved = ctx.saved_tensors
        terms, ignore_index, mass_min = ctx.settings
        if mass_min is None:
            grad_mass = None
        if functional_form.asked_of_backward(grad_loss, grad_mass):
            upstream = grad_loss, grad_mass
            grad = functional_form.gradient(logits, target, terms, ignore_index, mass_min, upstream)
            return grad, None, None, None, None
        values = _as_floats(logits)
        described = _describe(values, ignore_index, terms, mass_min)
        grad = torch.empty(values.shape, dtype=torch.float32, device=values.device)
        grad_loss = _as_floats(grad_loss).contiguous()
        grad_mass = None if grad_mass is None else _as_floats(grad_mass).contiguous()

        _call(
            "anl_seg_backward",
            described,
            values,
            target,
            saved,
            grad_loss,
            grad_mass,
            grad,
            tasks=_tasks(values),
        )
        return grad.to(logits.dtype), None, None, None, None


def fused_pixel_loss(
    logits: Tensor,
    target: Tensor,
    ignore_index: int,
    terms: tuple[t.Term, ...],
    mass_min: float | None,
) -> tuple[Tensor, Tensor | None]:
    """Loss (N, P) of logits (N, C, P) and labels (N, P) int64, and the mass (C,) or None."""
    return _Compiled.apply(logits, target, ignore_index, terms, mass_min)


def class_weights(
    logits: Tensor,
    target: Tensor,
    ignore_index: int,
    factors: Callable[[Tensor], Tensor],
) -> Tensor:
    """sum_k p_k f_k of each pixel (N, P), 0 where ignored.

    Args:
        logits: (N, C, P); no gradient reaches them.
        target: (N, P) int64.
        ignore_index: label of pixels that do not count.
        factors: gives f (C,) from the sum of p over the valid pixels (C,), float64.
    """
    values = _as_floats(logits.detach())
    target = target.contiguous()
    described = _describe(values, ignore_index, (), mass_min=0.0)
    weight, saved = _floats_like(target), _floats_like(target, 2)
    mass = _forward(described, values, target, weight, saved, needs_mass=True)
    assert mass is not None
    of_class = _as_floats(factors(mass)).contiguous()
    tasks = _tasks(values)
    _call("anl_seg_weights", described, values, target, saved, of_class, weight, tasks=tasks)
    return weight
