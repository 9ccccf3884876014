"""The fused losses on a GPU: the autograd function over :mod:`anl_seg.kernels.softmax_triton`.

Importing this module does not import triton. Under TRITON_INTERPRET=1, set before triton is imported, the
same code runs on tensors of the CPU: slow, for tests.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anl_seg.functional import _labels
from anl_seg.functional._pixels import flat_labels, flat_pixels
from anl_seg.kernels import functional_form
from anl_seg.kernels import terms as t

#: Values of a tile (classes x pixels), 32 per thread of 4 warps.
TILE_VALUES = 4096
#: Pixels of a tile: whole cache lines of float32 at the least.
MIN_PIXELS, MAX_PIXELS = 32, 1024

#: MASS_MIN where no mass is wanted.
_NO_MASS = -1.0
#: Flag and constants of a kind without a term.
_UNUSED_ROW = (0.0, 2.0, 2.0, 2.0, 2.0, 0.0)


@cache
def available() -> bool:
    """Whether triton is installed and imports."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def _kernels() -> Any:
    if not available():
        raise RuntimeError(
            "the fused losses need triton on a GPU, and it is not installed: pip install triton, "
            "or use the functions of anl_seg.functional."
        )
    from anl_seg.kernels import softmax_triton

    return softmax_triton


class _Launch(NamedTuple):
    """What one launch compiles with, and the weights that it reads; hashable.

    Attributes:
        table: TERMS of softmax_triton.py.
        weights: one for each kind of term.
    """

    table: tuple[float, ...]
    weights: tuple[float, ...]


@lru_cache(maxsize=256)
def _launches(terms: tuple[t.Term, ...]) -> dict[_Launch, tuple[t.Term, ...]]:
    """The launches that the terms need, and the terms of each. A kernel takes one term of each kind.

    Equal terms are joined. Terms of one kind with different constants go to further launches.

    Raises:
        TypeError: a term of no kind that the kernels know.
    """
    launches: list[dict[t.Row, list[t.Term]]] = []
    for term in terms:
        row = t.row(term)
        for launch in launches:
            if row in launch or row.kind not in {other.kind for other in launch}:
                break
        else:
            launch = {}
            launches.append(launch)
        launch.setdefault(row, []).append(term)
    return {_launch(launch): tuple(itertools.chain(*launch.values())) for launch in launches}


def _launch(terms: dict[t.Row, list[t.Term]]) -> _Launch:
    """The launch of terms that share a row."""
    table = [_UNUSED_ROW] * len(t.KINDS)
    weights = [0.0] * len(t.KINDS)
    for row, equal in terms.items():
        table[row.kind] = (1.0, *row[1:])
        weights[row.kind] = float(sum(term.weight for term in equal))
    return _Launch(tuple(itertools.chain(*table)), tuple(weights))


@lru_cache(maxsize=64)
def _on_device(weights: tuple[float, ...], device: torch.device) -> Tensor:
    """The weights where the kernels read them; nothing waits for the copy."""
    pinned = device.type == "cuda"
    values = torch.tensor(weights, dtype=torch.float64, device="cpu", pin_memory=pinned)
    return values.to(device, non_blocking=True)


class _Tile(NamedTuple):
    """How much a program takes."""

    classes: int
    pixels: int
    warps: int


def _tile(
    num_classes: int, pixels: int, whole: int, dtype: torch.dtype, classes_last: bool
) -> _Tile:
    """The tile of a shape; not tuned on hardware yet.

    Where the classes of a pixel lie side by side, a tile of many classes reads long runs; else a tile of
    many pixels does.
    """
    values = TILE_VALUES // 2 if dtype == torch.float64 else TILE_VALUES
    tile = 1 << (num_classes - 1).bit_length()
    lowest = MIN_PIXELS
    if num_classes > whole:
        tile, lowest = (256, 16) if classes_last else (64, MIN_PIXELS)
    block = max(lowest, min(MAX_PIXELS, values // tile))
    block = min(block, 1 << (max(pixels, 1) - 1).bit_length())
    return _Tile(tile, block, 8 if tile * block > values else 4)


def _dtype(logits: Tensor) -> torch.dtype:
    """What the kernels calculate in."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def _shape_constants(logits: Tensor, ignore_index: int) -> dict[str, Any]:
    """What every kernel compiles with, for logits (N, C, P)."""
    kernels, dtype = _kernels(), _dtype(logits)
    channels, p = logits.shape[1:]
    classes = max(channels, 2)
    tile = _tile(classes, p, kernels.WHOLE_CLASSES, dtype, logits.stride(1) == 1 < channels)
    return {
        "SHAPE": (classes, channels == 1, ignore_index, tile.classes, tile.pixels),
        "ACC": kernels.tl.float64 if dtype == torch.float64 else kernels.tl.float32,
        "num_warps": tile.warps,
    }


def _sizes(logits: Tensor, target: Tensor) -> tuple[int, ...]:
    """``sizes`` of softmax_triton.py, of logits (N, C, P) and labels (N, P)."""
    return (target.numel(), logits.shape[2], *logits.stride(), *target.stride())


def _as_pixels(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, bool]:
    """(N, C, P) and (N, P), and whether (N, C) came in: its samples are the pixels of one sample."""
    pixels, labels = flat_pixels(logits.resolve_neg()), flat_labels(target)
    points = pixels.shape[2] == 1
    if points:
        pixels, labels = pixels.permute(2, 1, 0), labels.t()
    return pixels, labels, points


def _on(device: torch.device) -> AbstractContextManager:
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _check(report: Tensor, num_classes: int, ignore_index: int) -> None:
    """The deferred check of :mod:`anl_seg.functional._labels`, of a report that the kernel wrote."""
    if report.device.type == "cpu":
        count, low, high = report.tolist()
        if count:
            raise ValueError(_labels._message(low, high, count, num_classes, ignore_index))
    elif not torch.cuda.is_current_stream_capturing():
        _labels.deferred_check(report, num_classes, ignore_index)


class _Softmax(torch.autograd.Function):
    """Loss (N, P) of logits (N, C, P) and labels (N, P), and the mass (C,) or None."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        ignore_index: int,
        launch: _Launch,
        terms: tuple[t.Term, ...],
        mass_min: float | None,
    ) -> tuple[Tensor, Tensor | None]:
        kernels = _kernels()
        n, channels, p = logits.shape
        classes = max(channels, 2)
        weights = _on_device(launch.weights, logits.device)
        constants = _shape_constants(logits, ignore_index)
        _, _, _, tile, block = constants["SHAPE"]
        constants["TERMS"] = launch.table
        constants["MASS_MIN"] = _NO_MASS if mass_min is None else float(mass_min)
        new = partial(torch.empty, dtype=_dtype(logits), device=logits.device)
        loss = new(n, p)
        saved = new(0 if classes <= tile else kernels.SAVED_ROWS, n, p)
        programs = n * -(-p // block)
        masses = new(programs if mass_min is not None else 0, classes)
        if programs:
            report = torch.zeros(3, dtype=torch.int64, device=logits.device)
            report[1].fill_(_labels.FAR)
            report[2].fill_(-_labels.FAR)
            with _on(logits.device):
                kernels.forward_kernel[(programs,)](
                    logits, target, weights, loss, saved, masses, report, _sizes(logits, target),
                    **constants,
                )  # fmt: skip
            _check(report, classes, ignore_index)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(logits, target, saved, weights)
            ctx.programs, ctx.constants = programs, constants
            ctx.settings = terms, ignore_index, mass_min
        ctx.set_materialize_grads(False)
        return loss, None if mass_min is None else masses.sum(0)

    @staticmethod
    def backward(
        ctx: Any, grad_loss: Tensor | None, grad_mass: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        logits, target, saved, weights = ctx.saved_tensors
        if functional_form.asked_of_backward(grad_loss, grad_mass):
            upstream = grad_loss, grad_mass
            terms, ignore_index, mass_min = ctx.settings
            grad = functional_form.gradient(logits, target, terms, ignore_index, mass_min, upstream)
            return grad, *[None] * 5
        n, _, p = logits.shape
        constants = dict(ctx.constants)
        if grad_mass is None:
            constants["MASS_MIN"] = _NO_MASS
        if grad_loss is None:
            assert grad_mass is not None  # one of the two has a gradient
            grad_loss = torch.zeros((), dtype=grad_mass.dtype, device=grad_mass.device).expand(n, p)
        grad_loss = grad_loss.resolve_neg()
        grad_mass = grad_loss if grad_mass is None else grad_mass.resolve_neg().contiguous()
        grad = torch.empty_like(logits)
        if ctx.programs:
            with _on(logits.device):
                _kernels().backward_kernel[(ctx.programs,)](
                    logits, target, weights, grad_loss, grad_mass, grad, saved, _sizes(logits, target),
                    (*grad_loss.stride(), *grad.stride()), **constants,
                )  # fmt: skip
        return grad, *[None] * 5


def fused_pixel_loss(
    logits: Tensor,
    target: Tensor,
    terms: Sequence[t.Term],
    ignore_index: int = 255,
    mass_min: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """:func:`anl_seg.kernels.fused.fused_pixel_loss` on a GPU, with arguments checked there.

    The logits may have any strides of which the pixels' collapse into one (contiguous, channels last,
    points); others are copied. The gradient has their memory format. Nothing waits for the device: labels
    out of range count as ignored, and raise in one of the next calls (see ``functional/_labels.py``). Each
    set of terms (whatever their weights), number of classes and dtype is compiled once, which takes seconds.

    Args:
        logits: (N, C, *), on a GPU; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        terms: see :mod:`anl_seg.kernels.terms`; at least one.
        ignore_index: label of pixels that do not count.
        mass_min: where given, the sum over valid pixels of the probabilities, clamped to
            [mass_min, 1 - mass_min], is returned too.

    Returns:
        Loss (N, *), 0 where ignored, and the mass (C,) or None; float32, or float64 for float64 logits.

    Raises:
        RuntimeError: triton is not installed.
        TypeError: a term that the kernels do not know.
        ValueError: a label out of range.
    """
    launches = _launches(tuple(terms))
    pixels, labels, points = _as_pixels(logits, target)
    (launch, part), *others = launches.items()
    loss, mass = _Softmax.apply(pixels, labels, ignore_index, launch, part, mass_min)
    for launch, part in others:
        loss = loss + _Softmax.apply(pixels, labels, ignore_index, launch, part, None)[0]
    return (loss.t() if points else loss).reshape(target.shape), mass


@torch.no_grad()
def class_weights(
    logits: Tensor, target: Tensor, ignore_index: int, factors: Callable[[Tensor], Tensor]
) -> Tensor:
    """sum_k p_k f_k of each pixel (N, *), 0 where ignored.

    Args:
        logits: (N, C, *), on a GPU.
        target: (N, *), integers.
        ignore_index: label of pixels that do not count.
        factors: gives f (C,) from the sum of p over the valid pixels (C,).
    """
    pixels, labels, points = _as_pixels(logits, target)
    # Any launch: only the mass is of use.
    ((launch, part),) = _launches((t.CrossEntropy(),)).items()
    _, mass = _Softmax.apply(pixels, labels, ignore_index, launch, part, 0.0)
    n, _, p = pixels.shape
    weights = torch.empty(n, p, dtype=_dtype(logits), device=logits.device)
    constants = _shape_constants(pixels, ignore_index)
    programs = n * -(-p // constants["SHAPE"][4])
    if programs:
        from anl_seg.kernels.mass_balance_triton import class_weights_kernel

        with _on(logits.device):
            class_weights_kernel[(programs,)](
                pixels, labels, factors(mass).contiguous(), weights, _sizes(pixels, labels),
                **constants,
            )  # fmt: skip
    return (weights.t() if points else weights).reshape(target.shape)
