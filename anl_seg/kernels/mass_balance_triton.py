"""The Triton kernel of ``mass_balance``: sum_k p_k f_k of each pixel. Importing it imports triton."""

from __future__ import annotations

import triton
import triton.language as tl

from anl_seg.kernels.softmax_triton import (
    _less,
    _load,
    _locate,
    _tiled_statistics,
    _whole_statistics,
)


@triton.jit
def _part(z, peak, log_norm, factors, classes, C: tl.constexpr, ACC: tl.constexpr):
    """The sum over the classes of a tile, (BLOCK,)."""
    f = tl.load(factors + classes, mask=classes < C, other=0.0).to(ACC)
    return tl.sum(tl.exp(_less(z, peak[None, :]) - log_norm[None, :]) * f[:, None], axis=0)


@triton.jit
def class_weights_kernel(
    logits,
    target,
    factors,
    weights,
    sizes,
    SHAPE: tl.constexpr,
    ACC: tl.constexpr,
):
    """``weights`` (N, P), contiguous, 0 where ignored or the label is out of range; ``factors`` (C,).

    The rest as in :func:`anl_seg.kernels.softmax_triton.forward_kernel`.
    """
    C: tl.constexpr = SHAPE[0]
    BINARY: tl.constexpr = SHAPE[1]
    IGNORE: tl.constexpr = SHAPE[2]
    TILE: tl.constexpr = SHAPE[3]
    BLOCK: tl.constexpr = SHAPE[4]
    _, P, stride_n, stride_c, stride_p, target_stride_n, target_stride_p = sizes
    n, pixel, exists = _locate(P, BLOCK)
    label_at = target + n * target_stride_n + pixel * target_stride_p
    label = tl.load(label_at, mask=exists, other=0).to(tl.int64)
    valid = exists & (label != IGNORE) & (label >= 0) & (label < C)
    at = logits + n * stride_n + pixel * stride_p
    if C <= TILE:
        classes = tl.arange(0, TILE)
        z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
        peak, log_norm = _whole_statistics(z, classes, C)
        total = _part(z, peak, log_norm, factors, classes, C, ACC)
    else:
        peak, log_norm = _tiled_statistics(at, stride_c, exists, C, BINARY, ACC, TILE, BLOCK)
        total = tl.full([BLOCK], 0.0, ACC)
        for start in range(0, C, TILE):
            classes = start + tl.arange(0, TILE)
            z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
            total += _part(z, peak, log_norm, factors, classes, C, ACC)
    tl.store(weights + n * P + pixel, tl.where(valid, total, 0.0), mask=exists)
