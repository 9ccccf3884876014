"""Triton kernels for sums of the terms in :mod:`anl_seg.kernels.terms`: one forward, one backward.

A program takes BLOCK pixels of one sample. Up to WHOLE_CLASSES classes it holds their logits in registers:
the forward pass reads them once and saves nothing, the backward pass reads them once, forms the statistics
anew and writes the gradient. With more classes it loops over tiles of them, the second time out of the
cache, and the forward pass saves SAVED_ROWS numbers per pixel.

Which terms there are, and their parameters, is known at compile time; absent ones cost nothing. At most one
term of each kind: :mod:`anl_seg.kernels.cuda` sees to that. Importing this module imports triton.

``expm1``, ``log1p`` and powers are written out: libdevice has no place in triton's interpreter, which the
tests use, and the hardware's approximate logarithm has no correct digits next to 1.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Up to this many classes a pixel's logits stay in registers.
WHOLE_CLASSES = 256
#: Numbers saved per pixel beyond that: the largest logit, the log of the normaliser, four sums.
SAVED_ROWS = 6

_INF = tl.constexpr(float("inf"))
#: See functional/_pixels.py.
_LOWEST_LOG = tl.constexpr(-1e30)
#: More than any label: where no label is wrong, the lowest wrong one.
_FAR = tl.constexpr(2**63 - 1)


@triton.jit
def _expm1(x):
    """exp(x) - 1 by its series between -1/2 and 1/2, to 1e-9 (float32) and 1e-17 (float64)."""
    small = tl.where(tl.abs(x) < 0.5, x, 0.0)
    TERMS: tl.constexpr = 16 if x.dtype == tl.float64 else 9
    series = small * 0.0 + 1.0
    for i in tl.static_range(TERMS - 1):
        series = 1.0 + series * small * (1.0 / (TERMS - i))
    return tl.where(tl.abs(x) < 0.5, series * small, tl.exp(x) - 1.0)


@triton.jit
def _log1p(x):
    """log(1 + x), x > -1: 2 artanh(x / (2 + x)) by its series between -1/2 and 1/2."""
    small = tl.where(tl.abs(x) < 0.5, x, 0.0)
    TERMS: tl.constexpr = 18 if x.dtype == tl.float64 else 8
    s = small / (2.0 + small)
    square = s * s
    series = s * 0.0
    for i in tl.static_range(TERMS):
        series = series * square + 2.0 / (2 * (TERMS - 1 - i) + 1)
    return tl.where(tl.abs(x) < 0.5, series * s, tl.log(1.0 + tl.where(tl.abs(x) < 0.5, 1.0, x)))


@triton.jit
def _power(x, EXPONENT: tl.constexpr):
    """x^EXPONENT, x >= 0; 0^0 = 1."""
    if EXPONENT == 0.0:
        result = x * 0.0 + 1.0
    elif EXPONENT == 0.5:
        result = tl.sqrt(x)
    elif EXPONENT == 1.0:
        result = x
    elif EXPONENT == 2.0:
        result = x * x
    else:
        result = tl.exp(EXPONENT * tl.log(x))
    return result


@triton.jit
def _locate(P, BLOCK: tl.constexpr):
    """Sample, pixels (int64) and which of these exist, of this program."""
    blocks = tl.cdiv(P, BLOCK)
    program = tl.program_id(0)
    pixel = (program % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    return (program // blocks).to(tl.int64), pixel, pixel < P


@triton.jit
def _load(at, classes, stride_c, exists, C: tl.constexpr, BINARY: tl.constexpr, ACC: tl.constexpr):
    """Logits (TILE, BLOCK); -inf past the last class. A binary head has a first class of zeros."""
    channel = (classes - 1 if BINARY else classes).to(tl.int64)
    there = (channel >= 0) & (classes < C)
    z = tl.load(
        at[None, :] + (channel * stride_c)[:, None],
        mask=there[:, None] & exists[None, :],
        other=0.0,
    ).to(ACC)
    return tl.where((classes < C)[:, None], z, -_INF)


@triton.jit
def _load_label_logit(at, label, stride_c, exists, BINARY: tl.constexpr, ACC: tl.constexpr):
    """The logit of each pixel's label, which must be in [0, C)."""
    if BINARY:
        z = tl.load(at, mask=exists & (label == 1), other=0.0).to(ACC)
    else:
        z = tl.load(at + label * stride_c, mask=exists, other=0.0).to(ACC)
    return z


@triton.jit
def _less(x, y):
    """x - y; 0 where both are the same infinity."""
    return tl.where(x == y, 0.0, x - y)


@triton.jit
def _not_lowest(x):
    """A logarithm to divide by, or to be divided by one; NaN stays."""
    return tl.where(x < _LOWEST_LOG, _LOWEST_LOG, x)


@triton.jit
def _rest_and_ties(z, peak, classes, C: tl.constexpr):
    """The sum of exp(z - peak) over the classes of a tile below the peak, and how many are at it."""
    shifted = _less(z, peak[None, :])
    real = (classes < C)[:, None]
    at_peak = real & (shifted == 0.0)
    rest = tl.sum(tl.where(real & (shifted != 0.0), tl.exp(shifted), 0.0), axis=0)
    return rest, tl.sum(tl.where(at_peak, 1.0, 0.0), axis=0)


@triton.jit
def _whole_statistics(z, classes, C: tl.constexpr):
    """Largest logit and log of the sum of exp(z - peak), (BLOCK,) each.

    The peak's own 1 is left out of the sum: log1p keeps the digits of a confident pixel's loss.
    """
    peak = tl.max(z, axis=0)
    rest, ties = _rest_and_ties(z, peak, classes, C)
    return peak, _log1p(rest + (ties - 1.0))


@triton.jit
def _add_tile(z, peak, rest, ties, classes, C: tl.constexpr):
    """The statistics of :func:`_whole_statistics` so far, joined with those of one more tile."""
    tile_peak = tl.max(z, axis=0)
    new_peak = tl.maximum(peak, tile_peak)
    same = peak == new_peak
    scale = tl.where(same, 1.0, tl.exp(peak - new_peak))
    more_rest, more_ties = _rest_and_ties(z, new_peak, classes, C)
    rest = rest * scale + tl.where(same, 0.0, ties * scale) + more_rest
    return new_peak, rest, tl.where(same, ties, 0.0) + more_ties


@triton.jit
def _tiled_statistics(
    at,
    stride_c,
    exists,
    C: tl.constexpr,
    BINARY: tl.constexpr,
    ACC: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """:func:`_whole_statistics` of more classes than a tile holds, read tile by tile."""
    peak = tl.full([BLOCK], -float("inf"), ACC)
    rest = tl.full([BLOCK], 0.0, ACC)
    ties = tl.full([BLOCK], 0.0, ACC)
    for start in range(0, C, TILE):
        classes = start + tl.arange(0, TILE)
        z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
        peak, rest, ties = _add_tile(z, peak, rest, ties, classes, C)
    return peak, _log1p(rest + (ties - 1.0))


@triton.jit
def _sums(
    log_p,
    classes,
    label,
    C: tl.constexpr,
    NCE: tl.constexpr,
    RCE: tl.constexpr,
    RCE_MIN: tl.constexpr,
    NFL: tl.constexpr,
    NFL_GAMMA: tl.constexpr,
    NNCE: tl.constexpr,
    NNCE_MIN: tl.constexpr,
    NNFL: tl.constexpr,
    NNFL_GAMMA: tl.constexpr,
    NNFL_MIN: tl.constexpr,
    NNFL_TOP: tl.constexpr,
):
    """What NCE, RCE, NFL, NNCE and NNFL sum over the classes of a tile; 0 where its flag is."""
    real = (classes < C)[:, None]
    log_p = tl.where(real, log_p, 0.0)
    none = tl.sum(log_p * 0.0, axis=0)
    of_nce, of_rce, of_nfl, of_nnce, of_nnfl = none, none, none, none, none
    if NCE != 0.0:
        of_nce = tl.sum(_not_lowest(log_p), axis=0)
    if RCE != 0.0:
        other = real & (classes[:, None] != label[None, :])
        clamped = tl.maximum(log_p, RCE_MIN)
        of_rce = tl.sum(tl.where(other, tl.exp(clamped), 0.0), axis=0)
    if NFL != 0.0:
        of_nfl = tl.sum(_power(-_expm1(log_p), NFL_GAMMA) * _not_lowest(log_p), axis=0)
    if NNCE != 0.0:
        above = real & (log_p > NNCE_MIN)
        of_nnce = tl.sum(tl.where(above, log_p - NNCE_MIN, 0.0), axis=0)
    if NNFL != 0.0:
        clamped = tl.maximum(log_p, NNFL_MIN)
        flipped = NNFL_TOP + _power(-_expm1(clamped), NNFL_GAMMA) * clamped
        of_nnfl = tl.sum(tl.where(real, flipped, 0.0), axis=0)
    return of_nce, of_rce, of_nfl, of_nnce, of_nnfl


@triton.jit
def _class_slopes(
    log_p,
    p,
    classes,
    label,
    nce,
    rce,
    nfl,
    nnce,
    nnfl,
    masses,
    C: tl.constexpr,
    NCE: tl.constexpr,
    RCE: tl.constexpr,
    RCE_MIN: tl.constexpr,
    NFL: tl.constexpr,
    NFL_GAMMA: tl.constexpr,
    NNCE: tl.constexpr,
    NNCE_MIN: tl.constexpr,
    NNFL: tl.constexpr,
    NNFL_GAMMA: tl.constexpr,
    MASS: tl.constexpr,
    MASS_MIN: tl.constexpr,
    NNFL_MIN: tl.constexpr,
):
    """dL / d log p_k through the sums, (TILE, BLOCK); ``nce`` and so on are dL / d sum, (BLOCK,)."""
    slopes = p * 0.0
    if NCE != 0.0:
        slopes += nce[None, :]
    if RCE != 0.0:
        inside = (log_p >= RCE_MIN) & (classes[:, None] != label[None, :])
        slopes += tl.where(inside, p * rce[None, :], 0.0)
    if NFL != 0.0:
        slopes += _power(-_expm1(log_p), NFL_GAMMA) * nfl[None, :]
    if NNCE != 0.0:
        slopes += tl.where(log_p >= NNCE_MIN, nnce[None, :], 0.0)
    if NNFL != 0.0:
        factor = _power(-_expm1(log_p), NNFL_GAMMA)
        slopes += tl.where(log_p >= NNFL_MIN, factor * nnfl[None, :], 0.0)
    if MASS:
        inside = (p >= MASS_MIN) & (p <= 1.0 - MASS_MIN)
        slopes += tl.where(inside, p * masses[:, None], 0.0)
    return tl.where((classes < C)[:, None], slopes, 0.0)


@triton.jit
def _report(at, label, wrong):
    """Count, lowest and highest of the wrong labels; no memory is touched where there are none."""
    count = tl.sum(wrong.to(tl.int64), axis=0)
    if count > 0:
        tl.atomic_add(at, count)
        tl.atomic_min(at + 1, tl.min(tl.where(wrong, label, _FAR), axis=0))
        tl.atomic_max(at + 2, tl.max(tl.where(wrong, label, -_FAR), axis=0))


@triton.jit
def _store_mass(at, log_p, classes, valid, C: tl.constexpr, MASS_MIN: tl.constexpr):
    """The sums of the clamped probabilities over this program's valid pixels."""
    p = tl.minimum(tl.maximum(tl.exp(log_p), MASS_MIN), 1.0 - MASS_MIN)
    mass = tl.sum(tl.where(valid[None, :], p, 0.0), axis=1)
    tl.store(at + classes, mass, mask=classes < C)


@triton.jit
def _load_masses(at, classes, C: tl.constexpr, MASS: tl.constexpr, ACC: tl.constexpr):
    """Gradient of the mass of these classes; of no meaning without MASS."""
    masses = classes
    if MASS:
        masses = tl.load(at + classes, mask=classes < C, other=0.0).to(ACC)
    return masses


@triton.jit
def _store_gradient(
    at,
    slopes,
    p,
    through,
    own,
    rest,
    valid,
    exists,
    classes,
    label,
    stride_c,
    C: tl.constexpr,
    BINARY: tl.constexpr,
):
    of_label = classes[:, None] == label[None, :]
    grad = slopes - p * through[None, :]
    grad += tl.where(of_label, (own * rest)[None, :], -p * own[None, :])
    grad = tl.where(valid[None, :], grad, 0.0)
    channel = (classes - 1 if BINARY else classes).to(tl.int64)
    there = (channel >= 0) & (classes < C)
    tl.store(
        at[None, :] + (channel * stride_c)[:, None],
        grad.to(at.dtype.element_ty),
        mask=there[:, None] & exists[None, :],
    )


@triton.jit
def forward_kernel(
    logits,
    target,
    weights,
    loss,
    saved,
    partial_mass,
    report,
    saved_stride,
    P,
    stride_n,
    stride_c,
    stride_p,
    target_stride_n,
    target_stride_p,
    C: tl.constexpr,
    BINARY: tl.constexpr,
    IGNORE: tl.constexpr,
    ACC: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    MASS: tl.constexpr,
    MASS_MIN: tl.constexpr,
    CE: tl.constexpr,
    FOCAL: tl.constexpr,
    FOCAL_GAMMA: tl.constexpr,
    MAE: tl.constexpr,
    GCE: tl.constexpr,
    GCE_Q: tl.constexpr,
    GCE_MIN: tl.constexpr,
    AGCE: tl.constexpr,
    AGCE_A: tl.constexpr,
    AGCE_Q: tl.constexpr,
    AUE: tl.constexpr,
    AUE_A: tl.constexpr,
    AUE_Q: tl.constexpr,
    AEL: tl.constexpr,
    AEL_A: tl.constexpr,
    NCE: tl.constexpr,
    RCE: tl.constexpr,
    RCE_MIN: tl.constexpr,
    RCE_SCALE: tl.constexpr,
    NFL: tl.constexpr,
    NFL_GAMMA: tl.constexpr,
    NNCE: tl.constexpr,
    NNCE_MIN: tl.constexpr,
    NNFL: tl.constexpr,
    NNFL_GAMMA: tl.constexpr,
    NNFL_MIN: tl.constexpr,
    NNFL_TOP: tl.constexpr,
):
    """Loss of each pixel, what the backward pass needs, and each program's part of the mass.

    ``logits`` (N, C, P), C - 1 channels if BINARY; ``target`` (N, P), any integers; ``loss`` (N, P),
    contiguous, 0 where ignored; ``saved`` (SAVED_ROWS, N, P), contiguous, written where C > TILE;
    ``partial_mass`` (programs, C); ``report`` (3,), int64, of the labels out of range, which count as
    ignored. ``weights`` (12,), in the order CE to NNFL, are read while running, so that a schedule of
    them compiles nothing anew; a flag of 0 (CE, FOCAL, ...) leaves its term out. ACC is the dtype of the
    arithmetic.
    """
    SUMS: tl.constexpr = NCE != 0.0 or RCE != 0.0 or NFL != 0.0 or NNCE != 0.0 or NNFL != 0.0
    n, pixel, exists = _locate(P, BLOCK)
    label_at = target + n * target_stride_n + pixel * target_stride_p
    label = tl.load(label_at, mask=exists, other=0).to(tl.int64)
    counts = exists & (label != IGNORE)
    valid = counts & (label >= 0) & (label < C)
    _report(report, label, counts & ((label < 0) | (label >= C)))
    label = tl.where(valid, label, 0)
    at = logits + n * stride_n + pixel * stride_p
    mass_at = partial_mass + tl.program_id(0).to(tl.int64) * C
    row = n * P + pixel

    if C <= TILE:
        classes = tl.arange(0, TILE)
        z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
        peak, log_norm = _whole_statistics(z, classes, C)
        log_p = _less(z, peak[None, :]) - log_norm[None, :]
        of_nce, of_rce, of_nfl, of_nnce, of_nnfl = _sums(
            log_p, classes, label, C, NCE, RCE, RCE_MIN, NFL, NFL_GAMMA,
            NNCE, NNCE_MIN, NNFL, NNFL_GAMMA, NNFL_MIN, NNFL_TOP,
        )  # fmt: skip
        if MASS:
            _store_mass(mass_at, log_p, classes, valid, C, MASS_MIN)
    else:
        peak, log_norm = _tiled_statistics(at, stride_c, exists, C, BINARY, ACC, TILE, BLOCK)
        none = tl.full([BLOCK], 0.0, ACC)
        of_nce, of_rce, of_nfl, of_nnce, of_nnfl = none, none, none, none, none
        if SUMS or MASS:
            for start in range(0, C, TILE):
                classes = start + tl.arange(0, TILE)
                z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
                log_p = _less(z, peak[None, :]) - log_norm[None, :]
                s_nce, s_rce, s_nfl, s_nnce, s_nnfl = _sums(
                    log_p, classes, label, C, NCE, RCE, RCE_MIN, NFL, NFL_GAMMA,
                    NNCE, NNCE_MIN, NNFL, NNFL_GAMMA, NNFL_MIN, NNFL_TOP,
                )  # fmt: skip
                of_nce += s_nce
                of_rce += s_rce
                of_nfl += s_nfl
                of_nnce += s_nnce
                of_nnfl += s_nnfl
                if MASS:
                    _store_mass(mass_at, log_p, classes, valid, C, MASS_MIN)
        saved_at = saved + row
        tl.store(saved_at, peak, mask=exists)
        saved_at += saved_stride
        tl.store(saved_at, log_norm, mask=exists)
        saved_at += saved_stride
        tl.store(saved_at, of_nce, mask=exists)
        saved_at += saved_stride
        tl.store(saved_at, of_nfl, mask=exists)
        saved_at += saved_stride
        tl.store(saved_at, of_nnce, mask=exists)
        saved_at += saved_stride
        tl.store(saved_at, of_nnfl, mask=exists)

    z_label = _load_label_logit(at, label, stride_c, exists, BINARY, ACC)
    log_label = _less(z_label, peak) - log_norm
    rest = -_expm1(log_label)  # 1 - p_y
    value = tl.full([BLOCK], 0.0, ACC)
    if CE != 0.0:
        w = tl.load(weights + 0).to(ACC)
        value -= w * log_label
    if FOCAL != 0.0:
        w = tl.load(weights + 1).to(ACC)
        value -= w * _power(rest, FOCAL_GAMMA) * log_label
    if MAE != 0.0:
        w = tl.load(weights + 2).to(ACC)
        value += w * rest
    if GCE != 0.0:
        w = tl.load(weights + 3).to(ACC)
        value -= w / GCE_Q * _expm1(GCE_Q * tl.maximum(log_label, GCE_MIN))
    if AGCE != 0.0:  # the powers of 1 are taken out, as in the functional form
        w = tl.load(weights + 4).to(ACC)
        grown = _expm1(AGCE_Q * _log1p(-rest / (AGCE_A + 1.0)))
        value -= w / AGCE_Q * (AGCE_A + 1.0) ** AGCE_Q * grown
    if AUE != 0.0:
        w = tl.load(weights + 5).to(ACC)
        grown = _expm1(AUE_Q * _log1p(rest / (AUE_A - 1.0)))
        value += w / AUE_Q * (AUE_A - 1.0) ** AUE_Q * grown
    if AEL != 0.0:
        w = tl.load(weights + 6).to(ACC)
        value += w * tl.exp(-tl.exp(log_label) / AEL_A)
    if NCE != 0.0:
        w = tl.load(weights + 7).to(ACC)
        value += w * (_not_lowest(log_label) / of_nce)
    if RCE != 0.0:
        w = tl.load(weights + 8).to(ACC)
        value += w * RCE_SCALE * of_rce
    if NFL != 0.0:
        w = tl.load(weights + 9).to(ACC)
        value += w * (_power(rest, NFL_GAMMA) * _not_lowest(log_label) / of_nfl)
    if NNCE != 0.0:
        w = tl.load(weights + 10).to(ACC)
        value += w * (1.0 - tl.maximum(log_label - NNCE_MIN, 0.0) / of_nnce)
    if NNFL != 0.0:
        w = tl.load(weights + 11).to(ACC)
        clamped = tl.maximum(log_label, NNFL_MIN)
        flipped = NNFL_TOP + _power(-_expm1(clamped), NNFL_GAMMA) * clamped
        value += w * (1.0 - flipped / of_nnfl)
    tl.store(loss + row, tl.where(valid, value, 0.0), mask=exists)


@triton.jit
def backward_kernel(
    logits,
    target,
    weights,
    grad_loss,
    grad_mass,
    grad,
    saved,
    saved_stride,
    P,
    stride_n,
    stride_c,
    stride_p,
    target_stride_n,
    target_stride_p,
    loss_stride_n,
    loss_stride_p,
    grad_stride_n,
    grad_stride_c,
    grad_stride_p,
    C: tl.constexpr,
    BINARY: tl.constexpr,
    IGNORE: tl.constexpr,
    ACC: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    MASS: tl.constexpr,
    MASS_MIN: tl.constexpr,
    CE: tl.constexpr,
    FOCAL: tl.constexpr,
    FOCAL_GAMMA: tl.constexpr,
    MAE: tl.constexpr,
    GCE: tl.constexpr,
    GCE_Q: tl.constexpr,
    GCE_MIN: tl.constexpr,
    AGCE: tl.constexpr,
    AGCE_A: tl.constexpr,
    AGCE_Q: tl.constexpr,
    AUE: tl.constexpr,
    AUE_A: tl.constexpr,
    AUE_Q: tl.constexpr,
    AEL: tl.constexpr,
    AEL_A: tl.constexpr,
    NCE: tl.constexpr,
    RCE: tl.constexpr,
    RCE_MIN: tl.constexpr,
    RCE_SCALE: tl.constexpr,
    NFL: tl.constexpr,
    NFL_GAMMA: tl.constexpr,
    NNCE: tl.constexpr,
    NNCE_MIN: tl.constexpr,
    NNFL: tl.constexpr,
    NNFL_GAMMA: tl.constexpr,
    NNFL_MIN: tl.constexpr,
    NNFL_TOP: tl.constexpr,
):
    """Write the gradient of the logits, ``grad`` (N, C, P) like them, 0 where ignored.

    ``grad_loss`` (N, P), any strides; ``grad_mass`` (C,), contiguous, read if MASS; the rest as in the
    forward pass.
    """
    SUMS: tl.constexpr = NCE != 0.0 or RCE != 0.0 or NFL != 0.0 or NNCE != 0.0 or NNFL != 0.0
    n, pixel, exists = _locate(P, BLOCK)
    label_at = target + n * target_stride_n + pixel * target_stride_p
    label = tl.load(label_at, mask=exists, other=0).to(tl.int64)
    valid = exists & (label != IGNORE) & (label >= 0) & (label < C)
    label = tl.where(valid, label, 0)
    upstream_at = grad_loss + n * loss_stride_n + pixel * loss_stride_p
    upstream = tl.load(upstream_at, mask=exists, other=0.0).to(ACC)
    upstream = tl.where(valid, upstream, 0.0)
    at = logits + n * stride_n + pixel * stride_p
    grad_at = grad + n * grad_stride_n + pixel * grad_stride_p

    if C <= TILE:
        classes = tl.arange(0, TILE)
        z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
        peak, log_norm = _whole_statistics(z, classes, C)
        log_p = tl.where((classes < C)[:, None], _less(z, peak[None, :]) - log_norm[None, :], 0.0)
        of_nce, _, of_nfl, of_nnce, of_nnfl = _sums(
            log_p, classes, label, C, NCE, 0.0, RCE_MIN, NFL, NFL_GAMMA,
            NNCE, NNCE_MIN, NNFL, NNFL_GAMMA, NNFL_MIN, NNFL_TOP,
        )  # fmt: skip
    else:
        saved_at = saved + n * P + pixel
        peak = tl.load(saved_at, mask=exists, other=0.0)
        saved_at += saved_stride
        log_norm = tl.load(saved_at, mask=exists, other=0.0)
        saved_at += saved_stride
        of_nce = tl.load(saved_at, mask=exists, other=1.0)
        saved_at += saved_stride
        of_nfl = tl.load(saved_at, mask=exists, other=1.0)
        saved_at += saved_stride
        of_nnce = tl.load(saved_at, mask=exists, other=1.0)
        saved_at += saved_stride
        of_nnfl = tl.load(saved_at, mask=exists, other=1.0)

    # The slopes of log p_y and of the sums, as in terms.py.
    z_label = _load_label_logit(at, label, stride_c, exists, BINARY, ACC)
    log_label = _less(z_label, peak) - log_norm
    p_label = tl.exp(log_label)
    rest = -_expm1(log_label)  # 1 - p_y
    zero = tl.full([BLOCK], 0.0, ACC)
    own, nce, rce, nfl, nnce, nnfl = zero, zero, zero, zero, zero, zero
    if CE != 0.0:
        w = tl.load(weights + 0).to(ACC)
        own -= w
    if FOCAL != 0.0:
        w = tl.load(weights + 1).to(ACC)
        own -= w * _power(rest, FOCAL_GAMMA)
    if MAE != 0.0:
        w = tl.load(weights + 2).to(ACC)
        own -= w * p_label
    if GCE != 0.0:
        w = tl.load(weights + 3).to(ACC)
        own -= tl.where(log_label >= GCE_MIN, w * tl.exp(GCE_Q * log_label), 0.0)
    if AGCE != 0.0:
        w = tl.load(weights + 4).to(ACC)
        own -= w * p_label * _power(AGCE_A + p_label, AGCE_Q - 1.0)
    if AUE != 0.0:
        w = tl.load(weights + 5).to(ACC)
        own -= w * p_label * _power((AUE_A - 1.0) + rest, AUE_Q - 1.0)
    if AEL != 0.0:
        w = tl.load(weights + 6).to(ACC)
        own -= w / AEL_A * p_label * tl.exp(-p_label / AEL_A)
    if NCE != 0.0:
        w = tl.load(weights + 7).to(ACC)
        own += w / of_nce
        nce = -upstream * (w * _not_lowest(log_label) / of_nce / of_nce)
    if RCE != 0.0:
        w = tl.load(weights + 8).to(ACC)
        rce = upstream * (w * RCE_SCALE)
    if NFL != 0.0:
        w = tl.load(weights + 9).to(ACC)
        factor = w * _power(rest, NFL_GAMMA) / of_nfl
        own += factor
        nfl = -upstream * (factor * _not_lowest(log_label) / of_nfl)
    if NNCE != 0.0:
        w = tl.load(weights + 10).to(ACC)
        own -= tl.where(log_label >= NNCE_MIN, w / of_nnce, 0.0)
        nnce = upstream * (w * tl.maximum(log_label - NNCE_MIN, 0.0) / of_nnce / of_nnce)
    if NNFL != 0.0:
        w = tl.load(weights + 11).to(ACC)
        clamped = tl.maximum(log_label, NNFL_MIN)
        factor = _power(-_expm1(clamped), NNFL_GAMMA)
        own -= tl.where(log_label >= NNFL_MIN, w * factor / of_nnfl, 0.0)
        nnfl = upstream * (w * (NNFL_TOP + factor * clamped) / of_nnfl / of_nnfl)
    own *= upstream

    # The gradient is slopes - p sum(slopes), and own (1 - p_y) for the label, -own p_k for the others.
    if C <= TILE:
        p = tl.exp(log_p)
        masses = _load_masses(grad_mass, classes, C, MASS, ACC)
        slopes = _class_slopes(
            log_p, p, classes, label, nce, rce, nfl, nnce, nnfl, masses, C, NCE, RCE, RCE_MIN,
            NFL, NFL_GAMMA, NNCE, NNCE_MIN, NNFL, NNFL_GAMMA, MASS, MASS_MIN, NNFL_MIN,
        )  # fmt: skip
        through = tl.sum(slopes, axis=0)
        _store_gradient(
            grad_at, slopes, p, through, own, rest, valid, exists, classes, label,
            grad_stride_c, C, BINARY,
        )  # fmt: skip
    else:
        through = tl.full([BLOCK], 0.0, ACC)
        if SUMS or MASS:
            for start in range(0, C, TILE):
                classes = start + tl.arange(0, TILE)
                z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
                real = (classes < C)[:, None]
                log_p = tl.where(real, _less(z, peak[None, :]) - log_norm[None, :], 0.0)
                masses = _load_masses(grad_mass, classes, C, MASS, ACC)
                slopes = _class_slopes(
                    log_p, tl.exp(log_p), classes, label, nce, rce, nfl, nnce, nnfl, masses, C,
                    NCE, RCE, RCE_MIN, NFL, NFL_GAMMA, NNCE, NNCE_MIN, NNFL, NNFL_GAMMA,
                    MASS, MASS_MIN, NNFL_MIN,
                )  # fmt: skip
                through += tl.sum(slopes, axis=0)
        for start in range(0, C, TILE):
            classes = start + tl.arange(0, TILE)
            z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
            real = (classes < C)[:, None]
            log_p = tl.where(real, _less(z, peak[None, :]) - log_norm[None, :], 0.0)
            p = tl.exp(log_p)
            masses = _load_masses(grad_mass, classes, C, MASS, ACC)
            slopes = _class_slopes(
                log_p, p, classes, label, nce, rce, nfl, nnce, nnfl, masses, C, NCE, RCE, RCE_MIN,
                NFL, NFL_GAMMA, NNCE, NNCE_MIN, NNFL, NNFL_GAMMA, MASS, MASS_MIN, NNFL_MIN,
            )  # fmt: skip
            _store_gradient(
                grad_at, slopes, p, through, own, rest, valid, exists, classes, label,
                grad_stride_c, C, BINARY,
            )  # fmt: skip
