"""Bilinear resizing of images a few output rows at a time, and its transpose.

The weights are those of ``F.interpolate(mode='bilinear', antialias=False)`` given a size and no scale factor.
Resizing is separable: the columns of each source row are resized once, and an output row is a mean of
two such rows. Between two blocks only the rows that both need are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

#: What may be off in torch's own float32 arithmetic of a position, in source rows.
_SLACK = 1e-3


class Span(NamedTuple):
    """Output rows [start, stop) and the source rows [first, last) that they are made of."""

    start: int
    stop: int
    first: int
    last: int


def _position(index: int, size_in: int, size_out: int, align_corners: bool) -> float:
    """Where an output row lies among the source rows."""
    if align_corners:
        return index * (size_in - 1) / (size_out - 1) if size_out > 1 else 0.0
    return max((index + 0.5) * size_in / size_out - 0.5, 0.0)


def spans(size_in: int, size_out: int, align_corners: bool, height: int) -> list[Span]:
    """The output rows in blocks of ``height``."""
    result = []
    for start in range(0, size_out, height):
        stop = min(start + height, size_out)
        low = _position(start, size_in, size_out, align_corners) - _SLACK
        high = _position(stop - 1, size_in, size_out, align_corners) + _SLACK
        first = min(max(math.floor(low), 0), size_in - 1)
        result.append(Span(start, stop, first, min(math.floor(high) + 2, size_in)))
    return result


class _Lerp:
    """One axis by index and linear interpolation: any device, no matrix product."""

    def __init__(
        self, dim: int, size_in: int, size_out: int, align_corners: bool, like: Tensor
    ) -> None:
        self.dim = dim
        index = torch.arange(size_out, dtype=like.dtype, device=like.device)
        if align_corners:
            position = index * ((size_in - 1) / (size_out - 1) if size_out > 1 else 0.0)
        else:
            position = ((index + 0.5) * (size_in / size_out) - 0.5).clamp_(min=0.0)
        self.lower = position.long().clamp_(max=size_in - 1)
        self.upper = (self.lower + 1).clamp_(max=size_in - 1)
        self.share = (position - self.lower).clamp_(0.0, 1.0)

    def _part(self, span: Span) -> tuple[Tensor, Tensor, Tensor]:
        at = slice(span.start, span.stop)
        share = self.share[at].view(-1, *[1] * (3 - self.dim))
        return self.lower[at] - span.first, self.upper[at] - span.first, share

    def up(self, values: Tensor, span: Span, out: Tensor | None = None) -> Tensor:
        """Source rows [first, last) to output rows [start, stop)."""
        lower, upper, share = self._part(span)
        return torch.lerp(
            values.index_select(self.dim, lower),
            values.index_select(self.dim, upper),
            share,
            out=out,
        )

    def down(self, grad: Tensor, span: Span) -> Tensor:
        """The transpose of :meth:`up`."""
        lower, upper, share = self._part(span)
        shape = list(grad.shape)
        shape[self.dim] = span.last - span.first
        above = grad * share
        result = torch.zeros(shape, dtype=grad.dtype, device=grad.device)
        result.index_add_(self.dim, upper, above)
        return result.index_add_(self.dim, lower, torch.sub(grad, above, out=above))


class _Matrix:
    """The rows by a matrix product, on the CPU; the same as :class:`_Lerp` along dimension 1."""

    def __init__(self, size_in: int, size_out: int, align_corners: bool, like: Tensor) -> None:
        unit = torch.eye(size_in, dtype=like.dtype, device=like.device).unsqueeze(0)
        resized = F.interpolate(unit, size=size_out, mode="linear", align_corners=align_corners)
        self._weights = resized[0].t()

    def up(self, rows: Tensor, span: Span, out: Tensor) -> Tensor:
        """(n, last - first, C, W) -> (n, stop - start, C, W), in ``out``."""
        weights = self._weights[span.start : span.stop, span.first : span.last]
        if len(rows) == 1:
            torch.mm(weights, rows[0].flatten(1), out=out[0].flatten(1))
        else:
            torch.matmul(weights, rows.flatten(2), out=out.flatten(2))
        return out

    def down(self, grad: Tensor, span: Span) -> Tensor:
        """(n, stop - start, C, W) -> (n, last - first, C, W)."""
        weights = self._weights[span.start : span.stop, span.first : span.last].t()
        if len(grad) == 1:
            rows = torch.mm(weights, grad[0].flatten(1)).unsqueeze(0)
        else:
            rows = torch.matmul(weights, grad.flatten(2))
        return rows.view(len(grad), -1, *grad.shape[2:])


class RowBlocks:
    """Resizes (N, C, h, w) to (H, W) in blocks of output rows.

    Args:
        source: (N, C, h, w), any floating-point dtype.
        size: (H, W).
        align_corners: as in ``F.interpolate``.
        dtype: what is computed in.
        values: how many values a block should have; a whole row of one image is the least.
    """

    def __init__(
        self,
        source: Tensor,
        size: Sequence[int],
        align_corners: bool,
        dtype: torch.dtype,
        values: int,
    ) -> None:
        n, channels, h, w = source.shape
        height, width = size
        self.source, self.dtype, self.align_corners = source, dtype, align_corners
        self.width = width
        #: (images, rows, C, W) of the largest block.
        self.shape: tuple[int, ...] = (1, 0, channels, width)
        self.images = 1
        self.spans: list[Span] = []
        if not n * height * width:
            return  # no pixel, no block
        rows = min(height, max(1, values // (channels * width)))
        whole = max(1, values // (channels * width * height)) if rows == height else 1
        self.images = max(1, min(n, whole))
        self.spans = spans(h, height, align_corners, rows)
        self.shape = self.images, rows, channels, width
        like = torch.empty(0, dtype=dtype, device=source.device)
        # A matrix product in reduced precision would not be what F.interpolate gives.
        exact = dtype == torch.float64 or torch.get_float32_matmul_precision() == "highest"
        on_cpu = source.device.type == "cpu"
        self._rows: _Matrix | _Lerp
        if on_cpu and exact:
            self._rows = _Matrix(h, height, align_corners, like)
        else:
            self._rows = _Lerp(1, h, height, align_corners, like)
        # The linear mode of F.interpolate has no parallel form for many short rows on a GPU.
        self._columns = None if on_cpu else _Lerp(3, w, width, align_corners, like)

    def _columns_up(self, rows: Tensor) -> Tensor:
        """(n, C, r, w) of the source -> (n, r, C, W)."""
        rows = rows.permute(0, 2, 1, 3).to(self.dtype, memory_format=torch.contiguous_format)
        n, r, c, w = rows.shape
        if w == self.width:
            return rows.contiguous()
        if self._columns is not None:
            return self._columns.up(rows, Span(0, self.width, 0, w))
        resized = F.interpolate(
            rows.reshape(1, n * r * c, w),
            size=self.width,
            mode="linear",
            align_corners=self.align_corners,
        )
        return resized.view(n, r, c, self.width)

    def _columns_down(self, grad: Tensor) -> Tensor:
        """(n, r, C, W) -> (n, C, r, w)."""
        n, r, c, _ = grad.shape
        w = self.source.shape[3]
        if w != self.width:
            if self._columns is not None:
                grad = self._columns.down(grad, Span(0, self.width, 0, w))
            else:
                grad = torch.ops.aten.upsample_linear1d_backward(
                    grad.reshape(1, n * r * c, self.width),
                    [self.width],
                    [1, n * r * c, w],
                    self.align_corners,
                    None,
                ).view(n, r, c, w)
        return grad.permute(0, 2, 1, 3)

    def _resized(self, source: Tensor, kept: Tensor | None, begin: int, end: int) -> Tensor:
        """The source rows that are ``kept`` and [begin, end), (n, r, C, W)."""
        if kept is not None and begin >= end:
            return kept
        rows = self._columns_up(source[:, :, begin:end])
        return rows if kept is None or not kept.shape[1] else torch.cat([kept, rows], dim=1)

    def run(
        self, job: Callable[[Tensor, slice, slice], Tensor | None], memory: Tensor
    ) -> Tensor | None:
        """Call ``job(block, images, rows)`` with each block (n, r, C, W) of the resized images.

        Args:
            job: returns the gradient of its block, of the block's shape, or None for every block. It may
                overwrite the block.
            memory: for a block; at least as many values as the largest has.

        Returns:
            The gradient of the source, (N, C, h, w) of ``dtype``, or None.
        """
        result = None
        for i in range(0, len(self.source), self.images):
            images = slice(i, i + self.images)
            source = self.source[images]
            kept: Tensor | None = None
            waiting: Tensor | None = None
            begin = 0
            for k, span in enumerate(self.spans):
                begin = max(begin, span.first)
                rows = self._resized(source, kept, begin, span.last)
                begin = max(begin, span.last)
                shape = len(source), span.stop - span.start, *rows.shape[2:]
                out = memory[: math.prod(shape)].view(shape)
                grad = job(self._rows.up(rows, span, out), images, slice(span.start, span.stop))
                following = self.spans[k + 1].first if k + 1 < len(self.spans) else span.last
                done = min(following, span.last) - span.first
                kept = rows[:, done:]
                if grad is None:
                    continue
                rows = self._rows.down(grad, span)
                if waiting is not None:
                    rows[:, : waiting.shape[1]].add_(waiting)
                waiting = rows[:, done:]
                if done:
                    if result is None:
                        result = torch.zeros_like(self.source, dtype=self.dtype)
                    at = slice(span.first, span.first + done)
                    result[images, :, at] = self._columns_down(rows[:, :done])
        return result
