"""Triton kernels for sums of the terms in :mod:`anl_seg.kernels.terms`: one forward, one backward.

A program takes BLOCK pixels of one sample. Up to WHOLE_CLASSES classes it holds their logits in registers:
the forward pass reads them once and saves nothing, the backward pass reads them once, forms the statistics
anew and writes the gradient. With more classes it loops over tiles of them, the second time out of the
cache, and the forward pass saves SAVED_ROWS numbers per pixel.

Which terms there are, and their constants, is known at compile time; absent ones cost nothing. They come as
one table, TERMS: for each kind, in the order of KINDS in terms.py, a flag that is 0 where there is no such
term, and the constants a, b, log_min, gamma and top of its row there. At most one term of each kind:
:mod:`anl_seg.kernels.cuda` sees to that. SHAPE is (C, BINARY, IGNORE, TILE, BLOCK), see
:func:`forward_kernel`. Importing this module imports triton.

``expm1``, ``log1p`` and powers are written out: libdevice has no place in triton's interpreter, which the
tests use, and the hardware's approximate logarithm has no correct digits next to 1.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Up to this many classes a pixel's logits stay in registers.
WHOLE_CLASSES = 256
#: Numbers saved per pixel beyond that: the largest logit, the log of the normalizer, four sums.
SAVED_ROWS = 6

#: Numbers of TERMS per kind: its flag, then its constants.
ROW = 6
_A, _B = tl.constexpr(1), tl.constexpr(2)
_LOG_MIN, _GAMMA, _TOP = tl.constexpr(3), tl.constexpr(4), tl.constexpr(5)
#: Where the row of a kind begins.
_CE, _FOCAL, _MAE = tl.constexpr(0 * ROW), tl.constexpr(1 * ROW), tl.constexpr(2 * ROW)
_GCE, _AGCE, _AUE = tl.constexpr(3 * ROW), tl.constexpr(4 * ROW), tl.constexpr(5 * ROW)
_AEL, _NCE, _RCE = tl.constexpr(6 * ROW), tl.constexpr(7 * ROW), tl.constexpr(8 * ROW)
_NFL, _NNCE, _NNFL = tl.constexpr(9 * ROW), tl.constexpr(10 * ROW), tl.constexpr(11 * ROW)

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
def _labels(target, n, pixel, exists, sizes, SHAPE: tl.constexpr):
    """Labels (int64), 0 where they do not count; which count; the labels as they are, and which are wrong."""
    given = tl.load(target + n * sizes[5] + pixel * sizes[6], mask=exists, other=0).to(tl.int64)
    counts = exists & (given != SHAPE[2])
    valid = counts & (given >= 0) & (given < SHAPE[0])
    return tl.where(valid, given, 0), valid, given, counts & (valid == 0)


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
def _load_log_p(
    at, classes, stride_c, exists, peak, log_norm,
    C: tl.constexpr, BINARY: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """log p of the classes of a tile, (TILE, BLOCK), 0 past the last class."""
    z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
    log_p = _less(z, peak[None, :]) - log_norm[None, :]
    return tl.where((classes < C)[:, None], log_p, 0.0)


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
def _sums(log_p, classes, label, C: tl.constexpr, RCE: tl.constexpr, TERMS: tl.constexpr):
    """What NCE, RCE (where RCE), NFL, NNCE and NNFL sum over the classes of a tile; 0 without the term."""
    real = (classes < C)[:, None]
    log_p = tl.where(real, log_p, 0.0)
    none = tl.sum(log_p * 0.0, axis=0)
    of_nce, of_rce, of_nfl, of_nnce, of_nnfl = none, none, none, none, none
    if TERMS[_NCE] != 0.0:
        of_nce = tl.sum(_not_lowest(log_p), axis=0)
    if RCE and TERMS[_RCE] != 0.0:
        other = real & (classes[:, None] != label[None, :])
        clamped = tl.maximum(log_p, TERMS[_RCE + _LOG_MIN])
        of_rce = tl.sum(tl.where(other, tl.exp(clamped), 0.0), axis=0)
    if TERMS[_NFL] != 0.0:
        of_nfl = tl.sum(_power(-_expm1(log_p), TERMS[_NFL + _GAMMA]) * _not_lowest(log_p), axis=0)
    if TERMS[_NNCE] != 0.0:
        above = real & (log_p > TERMS[_NNCE + _LOG_MIN])
        of_nnce = tl.sum(tl.where(above, log_p - TERMS[_NNCE + _LOG_MIN], 0.0), axis=0)
    if TERMS[_NNFL] != 0.0:
        clamped = tl.maximum(log_p, TERMS[_NNFL + _LOG_MIN])
        flipped = TERMS[_NNFL + _TOP] + _power(-_expm1(clamped), TERMS[_NNFL + _GAMMA]) * clamped
        of_nnfl = tl.sum(tl.where(real, flipped, 0.0), axis=0)
    return of_nce, of_rce, of_nfl, of_nnce, of_nnfl


@triton.jit
def _class_slopes(
    log_p,
    p,
    classes,
    label,
    slopes_of_sums,
    masses,
    C: tl.constexpr,
    TERMS: tl.constexpr,
    MASS_MIN: tl.constexpr,
):
    """dL / d log p_k through the sums, (TILE, BLOCK).

    ``slopes_of_sums``: dL / d sum of NCE, RCE, NFL, NNCE and NNFL, (BLOCK,) each.
    """
    nce, rce, nfl, nnce, nnfl = slopes_of_sums
    slopes = p * 0.0
    if TERMS[_NCE] != 0.0:
        slopes += nce[None, :]
    if TERMS[_RCE] != 0.0:
        inside = (log_p >= TERMS[_RCE + _LOG_MIN]) & (classes[:, None] != label[None, :])
        slopes += tl.where(inside, p * rce[None, :], 0.0)
    if TERMS[_NFL] != 0.0:
        slopes += _power(-_expm1(log_p), TERMS[_NFL + _GAMMA]) * nfl[None, :]
    if TERMS[_NNCE] != 0.0:
        slopes += tl.where(log_p >= TERMS[_NNCE + _LOG_MIN], nnce[None, :], 0.0)
    if TERMS[_NNFL] != 0.0:
        factor = _power(-_expm1(log_p), TERMS[_NNFL + _GAMMA])
        slopes += tl.where(log_p >= TERMS[_NNFL + _LOG_MIN], factor * nnfl[None, :], 0.0)
    if MASS_MIN >= 0.0:
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
    sizes,
    SHAPE: tl.constexpr,
    ACC: tl.constexpr,
    MASS_MIN: tl.constexpr,
    TERMS: tl.constexpr,
):
    """Loss of each pixel, what the backward pass needs, and each program's part of the mass.

    ``logits`` (N, C, P), C - 1 channels if BINARY; ``target`` (N, P), any integers; ``loss`` (N, P),
    contiguous, 0 where ignored; ``saved`` (SAVED_ROWS, N, P), contiguous, written where C > TILE;
    ``partial_mass`` (programs, C), where MASS_MIN is not negative; ``report`` (3,), int64, of the labels out
    of range, which count as ignored. ``weights`` (12,), one per kind, are read while running, so that a
    schedule of them compiles nothing anew. ``sizes``: N P, P, the strides of the logits and of the target.
    SHAPE: number of classes C, whether there is one channel (BINARY), the label to ignore, classes (TILE)
    and pixels (BLOCK) of a tile. ACC is the dtype of the arithmetic.
    """
    C: tl.constexpr = SHAPE[0]
    BINARY: tl.constexpr = SHAPE[1]
    TILE: tl.constexpr = SHAPE[3]
    BLOCK: tl.constexpr = SHAPE[4]
    MASS: tl.constexpr = MASS_MIN >= 0.0
    SUMS: tl.constexpr = (
        TERMS[_NCE] != 0.0
        or TERMS[_RCE] != 0.0
        or TERMS[_NFL] != 0.0
        or TERMS[_NNCE] != 0.0
        or TERMS[_NNFL] != 0.0
    )
    saved_stride, P, stride_n, stride_c, stride_p, _, _ = sizes
    n, pixel, exists = _locate(P, BLOCK)
    label, valid, given, wrong = _labels(target, n, pixel, exists, sizes, SHAPE)
    _report(report, given, wrong)
    at = logits + n * stride_n + pixel * stride_p
    mass_at = partial_mass + tl.program_id(0).to(tl.int64) * C
    row = n * P + pixel

    if C <= TILE:
        classes = tl.arange(0, TILE)
        z = _load(at, classes, stride_c, exists, C, BINARY, ACC)
        peak, log_norm = _whole_statistics(z, classes, C)
        log_p = _less(z, peak[None, :]) - log_norm[None, :]
        of_nce, of_rce, of_nfl, of_nnce, of_nnfl = _sums(log_p, classes, label, C, True, TERMS)
        if MASS:
            _store_mass(mass_at, log_p, classes, valid, C, MASS_MIN)
    else:
        peak, log_norm = _tiled_statistics(at, stride_c, exists, C, BINARY, ACC, TILE, BLOCK)
        none = tl.full([BLOCK], 0.0, ACC)
        of_nce, of_rce, of_nfl, of_nnce, of_nnfl = none, none, none, none, none
        if SUMS or MASS:
            for start in range(0, C, TILE):
                classes = start + tl.arange(0, TILE)
                log_p = _load_log_p(at, classes, stride_c, exists, peak, log_norm, C, BINARY, ACC)
                s_nce, s_rce, s_nfl, s_nnce, s_nnfl = _sums(log_p, classes, label, C, True, TERMS)
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
    if TERMS[_CE] != 0.0:
        w = tl.load(weights + 0).to(ACC)
        value -= w * log_label
    if TERMS[_FOCAL] != 0.0:
        w = tl.load(weights + 1).to(ACC)
        value -= w * _power(rest, TERMS[_FOCAL + _A]) * log_label
    if TERMS[_MAE] != 0.0:
        w = tl.load(weights + 2).to(ACC)
        value += w * rest
    if TERMS[_GCE] != 0.0:
        w = tl.load(weights + 3).to(ACC)
        value -= (
            w
            / TERMS[_GCE + _A]
            * _expm1(TERMS[_GCE + _A] * tl.maximum(log_label, TERMS[_GCE + _B]))
        )
    if TERMS[_AGCE] != 0.0:  # the powers of 1 are taken out, as in the functional form
        w = tl.load(weights + 4).to(ACC)
        grown = _expm1(TERMS[_AGCE + _B] * _log1p(-rest / (TERMS[_AGCE + _A] + 1.0)))
        value -= w / TERMS[_AGCE + _B] * (TERMS[_AGCE + _A] + 1.0) ** TERMS[_AGCE + _B] * grown
    if TERMS[_AUE] != 0.0:
        w = tl.load(weights + 5).to(ACC)
        grown = _expm1(TERMS[_AUE + _B] * _log1p(rest / (TERMS[_AUE + _A] - 1.0)))
        value += w / TERMS[_AUE + _B] * (TERMS[_AUE + _A] - 1.0) ** TERMS[_AUE + _B] * grown
    if TERMS[_AEL] != 0.0:
        w = tl.load(weights + 6).to(ACC)
        value += w * tl.exp(-tl.exp(log_label) / TERMS[_AEL + _A])
    if TERMS[_NCE] != 0.0:
        w = tl.load(weights + 7).to(ACC)
        value += w * (_not_lowest(log_label) / of_nce)
    if TERMS[_RCE] != 0.0:
        w = tl.load(weights + 8).to(ACC)
        value += w * TERMS[_RCE + _A] * of_rce
    if TERMS[_NFL] != 0.0:
        w = tl.load(weights + 9).to(ACC)
        value += w * (_power(rest, TERMS[_NFL + _GAMMA]) * _not_lowest(log_label) / of_nfl)
    if TERMS[_NNCE] != 0.0:
        w = tl.load(weights + 10).to(ACC)
        value += w * (1.0 - tl.maximum(log_label - TERMS[_NNCE + _LOG_MIN], 0.0) / of_nnce)
    if TERMS[_NNFL] != 0.0:
        w = tl.load(weights + 11).to(ACC)
        clamped = tl.maximum(log_label, TERMS[_NNFL + _LOG_MIN])
        flipped = TERMS[_NNFL + _TOP] + _power(-_expm1(clamped), TERMS[_NNFL + _GAMMA]) * clamped
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
    sizes,
    grad_sizes,
    SHAPE: tl.constexpr,
    ACC: tl.constexpr,
    MASS_MIN: tl.constexpr,
    TERMS: tl.constexpr,
):
    """Write the gradient of the logits, ``grad`` (N, C, P) like them, 0 where ignored.

    ``grad_loss`` (N, P), any strides; ``grad_mass`` (C,), contiguous, read where MASS_MIN is not
    negative; ``grad_sizes``: the strides of ``grad_loss`` and of ``grad``; the rest as in the forward pass.
    """
    C: tl.constexpr = SHAPE[0]
    BINARY: tl.constexpr = SHAPE[1]
    TILE: tl.constexpr = SHAPE[3]
    BLOCK: tl.constexpr = SHAPE[4]
    MASS: tl.constexpr = MASS_MIN >= 0.0
    SUMS: tl.constexpr = (
        TERMS[_NCE] != 0.0
        or TERMS[_RCE] != 0.0
        or TERMS[_NFL] != 0.0
        or TERMS[_NNCE] != 0.0
        or TERMS[_NNFL] != 0.0
    )
    saved_stride, P, stride_n, stride_c, stride_p, _, _ = sizes
    loss_stride_n, loss_stride_p, grad_stride_n, grad_stride_c, grad_stride_p = grad_sizes
    n, pixel, exists = _locate(P, BLOCK)
    label, valid, _, _ = _labels(target, n, pixel, exists, sizes, SHAPE)
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
        of_nce, _, of_nfl, of_nnce, of_nnfl = _sums(log_p, classes, label, C, False, TERMS)
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
    if TERMS[_CE] != 0.0:
        w = tl.load(weights + 0).to(ACC)
        own -= w
    if TERMS[_FOCAL] != 0.0:
        w = tl.load(weights + 1).to(ACC)
        own -= w * _power(rest, TERMS[_FOCAL + _A])
    if TERMS[_MAE] != 0.0:
        w = tl.load(weights + 2).to(ACC)
        own -= w * p_label
    if TERMS[_GCE] != 0.0:
        w = tl.load(weights + 3).to(ACC)
        own -= tl.where(
            log_label >= TERMS[_GCE + _B], w * tl.exp(TERMS[_GCE + _A] * log_label), 0.0
        )
    if TERMS[_AGCE] != 0.0:
        w = tl.load(weights + 4).to(ACC)
        own -= w * p_label * _power(TERMS[_AGCE + _A] + p_label, TERMS[_AGCE + _B] - 1.0)
    if TERMS[_AUE] != 0.0:
        w = tl.load(weights + 5).to(ACC)
        own -= w * p_label * _power((TERMS[_AUE + _A] - 1.0) + rest, TERMS[_AUE + _B] - 1.0)
    if TERMS[_AEL] != 0.0:
        w = tl.load(weights + 6).to(ACC)
        own -= w / TERMS[_AEL + _A] * p_label * tl.exp(-p_label / TERMS[_AEL + _A])
    if TERMS[_NCE] != 0.0:
        w = tl.load(weights + 7).to(ACC)
        own += w / of_nce
        nce = -upstream * (w * _not_lowest(log_label) / of_nce / of_nce)
    if TERMS[_RCE] != 0.0:
        w = tl.load(weights + 8).to(ACC)
        rce = upstream * (w * TERMS[_RCE + _A])
    if TERMS[_NFL] != 0.0:
        w = tl.load(weights + 9).to(ACC)
        factor = w * _power(rest, TERMS[_NFL + _GAMMA]) / of_nfl
        own += factor
        nfl = -upstream * (factor * _not_lowest(log_label) / of_nfl)
    if TERMS[_NNCE] != 0.0:
        w = tl.load(weights + 10).to(ACC)
        own -= tl.where(log_label >= TERMS[_NNCE + _LOG_MIN], w / of_nnce, 0.0)
        nnce = upstream * (
            w * tl.maximum(log_label - TERMS[_NNCE + _LOG_MIN], 0.0) / of_nnce / of_nnce
        )
    if TERMS[_NNFL] != 0.0:
        w = tl.load(weights + 11).to(ACC)
        clamped = tl.maximum(log_label, TERMS[_NNFL + _LOG_MIN])
        factor = _power(-_expm1(clamped), TERMS[_NNFL + _GAMMA])
        own -= tl.where(log_label >= TERMS[_NNFL + _LOG_MIN], w * factor / of_nnfl, 0.0)
        nnfl = upstream * (w * (TERMS[_NNFL + _TOP] + factor * clamped) / of_nnfl / of_nnfl)
    own *= upstream
    slopes_of_sums = (nce, rce, nfl, nnce, nnfl)

    # The gradient is slopes - p sum(slopes), and own (1 - p_y) for the label, -own p_k for the others.
    if C <= TILE:
        p = tl.exp(log_p)
        masses = _load_masses(grad_mass, classes, C, MASS, ACC)
        slopes = _class_slopes(log_p, p, classes, label, slopes_of_sums, masses, C, TERMS, MASS_MIN)
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
                log_p = _load_log_p(at, classes, stride_c, exists, peak, log_norm, C, BINARY, ACC)
                masses = _load_masses(grad_mass, classes, C, MASS, ACC)
                slopes = _class_slopes(
                    log_p, tl.exp(log_p), classes, label, slopes_of_sums, masses, C, TERMS, MASS_MIN
                )
                through += tl.sum(slopes, axis=0)
        for start in range(0, C, TILE):
            classes = start + tl.arange(0, TILE)
            log_p = _load_log_p(at, classes, stride_c, exists, peak, log_norm, C, BINARY, ACC)
            p = tl.exp(log_p)
            masses = _load_masses(grad_mass, classes, C, MASS, ACC)
            slopes = _class_slopes(
                log_p, p, classes, label, slopes_of_sums, masses, C, TERMS, MASS_MIN
            )
            _store_gradient(
                grad_at, slopes, p, through, own, rest, valid, exists, classes, label,
                grad_stride_c, C, BINARY,
            )  # fmt: skip
