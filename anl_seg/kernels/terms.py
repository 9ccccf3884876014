"""The losses that the fused kernels know, as functions of a few numbers per pixel.

Each term of a loss is v(l, S): l = log p_y of the label, S = a sum over the classes of a function of
log p_k, or nothing. With logits z, p their softmax, and G_j = dL / d log p_j,

    G_j = v_l [j = y] + v_S dS / d log p_j,
    dL / dz_j = G_j - p_j sum_k G_k,

so a pixel's gradient needs its statistics and one pass over its classes.

:func:`row` gives a term as numbers: what softmax_cpu.c and softmax_triton.py read. :class:`Term` and
:class:`ClassSum` compute the same in torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from anl_seg import functional
from anl_seg.functional import class_forms
from anl_seg.functional._pixels import (
    LOWEST_LOG,
    check_gamma,
    check_min_prob,
    check_relative_min_prob,
)
from anl_seg.functional.generalized_cross_entropy import PROB_CLAMP as GCE_CLAMP
from anl_seg.functional.reverse_cross_entropy import LOG_ZERO
from anl_seg.functional.reverse_cross_entropy import PROB_CLAMP as RCE_CLAMP


def at_least(values: Tensor, low: float) -> Tensor:
    """1.0 where a value is ``low`` or more, else 0.0: on a CPU faster to compute with than booleans."""
    return torch.ge(values, low, out=torch.empty_like(values))


def fast_exp(values: Tensor, out: Tensor) -> Tensor:
    """exp(values) in ``out``. On a CPU torch's exp2 takes a third of the time of its exp."""
    if values.device.type != "cpu":
        return torch.exp(values, out=out)
    return torch.mul(values, 1.0 / math.log(2.0), out=out).exp2_()


def any_infinite(values: Tensor) -> bool:
    """Whether a value is infinite or NaN; not asked where the host would have to wait for the answer."""
    return values.device.type == "cpu" and not math.isfinite(values.sum().item())


class ClassSum(NamedTuple):
    """A sum over the classes, by what is summed.

    ``log``: log p_k. ``flip``: max(log p_k, log_min) - log_min. ``focal``: (1 - p_k)^gamma log p_k, the
    factor constant in the gradient. ``focal_flip``: top + (1 - p_k)^gamma log p_k with log p_k clamped at
    log_min and top = -(1 - exp(log_min))^gamma log_min. ``others``: max(p_k, exp(log_min)) over k != y.
    An infinite summand of ``log`` and ``focal`` counts as LOWEST_LOG.
    """

    kind: str
    log_min: float = -math.inf
    gamma: float = 0.0

    @property
    def top(self) -> float:
        """What ``focal_flip`` adds to each class; 0 for the others."""
        if self.kind != "focal_flip":
            return 0.0
        return -((1.0 - math.exp(self.log_min)) ** self.gamma) * self.log_min

    def summand(self, log_p: Tensor, out: Tensor) -> Tensor:
        """What is summed, in ``out``; of ``others`` as if k were not y."""
        if self.kind == "log":
            return torch.clamp(log_p, min=LOWEST_LOG, out=out)
        if self.kind == "flip":
            return torch.sub(log_p, self.log_min, out=out).clamp_(min=0.0)
        if self.kind == "focal":
            out = torch.expm1(log_p, out=out).neg_().pow_(self.gamma).mul_(log_p)
            return out.clamp_(min=LOWEST_LOG)
        if self.kind == "others":
            torch.clamp(log_p, min=self.log_min, out=out)
            return fast_exp(out, out)
        clamped = log_p.clamp(min=self.log_min)
        torch.expm1(clamped, out=out).neg_().pow_(self.gamma)
        return out.mul_(clamped).add_(self.top)

    def slope(self, log_p: Tensor, out: Tensor) -> Tensor:
        """d summand / d log p_k, in ``out``; not for ``log``, where it is 1."""
        if self.kind == "flip":
            return torch.ge(log_p, self.log_min, out=out)
        if self.kind == "focal":
            return torch.expm1(log_p, out=out).neg_().pow_(self.gamma)
        if self.kind == "others":
            fast_exp(log_p, out)
        else:
            torch.clamp(log_p, min=self.log_min, out=out).expm1_().neg_().pow_(self.gamma)
        return out.mul_(at_least(log_p, self.log_min))


def _factor(log_p: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma."""
    return torch.expm1(log_p).neg_().pow_(gamma)


@dataclass(frozen=True)
class Term:
    """One loss of the sum; ``weight`` times it counts."""

    weight: float = 1.0

    #: The functional form, which takes the parameters by the names that they have here.
    function: ClassVar[Callable[..., Tensor]]

    @property
    def class_sum(self) -> ClassSum | None:
        """The sum over the classes that the term needs, or None."""
        return None

    @property
    def constants(self) -> tuple[float, float]:
        """What the kernels call a and b; 0 where the term has none."""
        return 0.0, 0.0

    def check(self, num_classes: int) -> None:
        """Raise ValueError where a parameter does not fit the number of classes."""

    def for_classes(self, num_classes: int) -> Term:
        """The term for so many classes, checked; what the kernels compute."""
        self.check(num_classes)
        return self

    def functional_form(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """The weighted loss of each pixel, (N, C, *) and (N, *) -> (N, *), by torch's own operations."""
        not_given = ("weight", "relative_min_prob")
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in not_given}
        return self.weight * self.function(logits, target, ignore_index=ignore_index, **given)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        """v(l, S), without the weight.

        Args:
            log_p: log p_y of each pixel.
            total: S of each pixel, of the same shape; of no meaning where ``class_sum`` is None.
        """
        raise NotImplementedError

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        """(v_l, v_S), without the weight; None stands for 0."""
        raise NotImplementedError

    def value_and_slopes(
        self, log_p: Tensor, total: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """:meth:`value` and :meth:`slopes`, for where both are wanted."""
        return self.value(log_p, total), *self.slopes(log_p, total)


class CrossEntropy(Term):
    """-log p_y."""

    function = staticmethod(functional.cross_entropy)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return -log_p

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        return torch.full_like(log_p, -1.0), None


@dataclass(frozen=True)
class Focal(Term):
    """-(1 - p_y)^gamma log p_y, the factor constant in the gradient."""

    function = staticmethod(functional.focal_loss)
    gamma: float = 2.0

    @property
    def constants(self) -> tuple[float, float]:
        return self.gamma, 0.0

    def check(self, num_classes: int) -> None:
        check_gamma(self.gamma)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return -_factor(log_p, self.gamma) * log_p

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        return -_factor(log_p, self.gamma), None


class MeanAbsoluteError(Term):
    """1 - p_y."""

    function = staticmethod(functional.mean_absolute_error)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return -torch.expm1(log_p)

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        return -log_p.exp(), None


@dataclass(frozen=True)
class GeneralizedCrossEntropy(Term):
    """(1 - p_y^q) / q, flat below p_y = 1e-7."""

    function = staticmethod(functional.generalized_cross_entropy)
    q: float = 0.7

    @property
    def constants(self) -> tuple[float, float]:
        return self.q, math.log(GCE_CLAMP)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return -torch.expm1(self.q * log_p.clamp(min=math.log(GCE_CLAMP))) / self.q

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        slope = torch.exp(self.q * log_p).neg_()
        return slope.mul_(at_least(log_p, math.log(GCE_CLAMP))), None


@dataclass(frozen=True)
class AsymmetricGeneralizedCrossEntropy(Term):
    """((a + 1)^q - (a + p_y)^q) / q."""

    function = staticmethod(functional.asymmetric_generalized_cross_entropy)
    a: float = 1.0
    q: float = 2.0

    @property
    def constants(self) -> tuple[float, float]:
        return self.a, self.q

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return class_forms.asymmetric_generalized_cross_entropy(log_p, a=self.a, q=self.q)

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        p = log_p.exp()
        return -p * (self.a + p).pow(self.q - 1.0), None


@dataclass(frozen=True)
class AsymmetricUnhinged(Term):
    """((a - p_y)^q - (a - 1)^q) / q."""

    function = staticmethod(functional.asymmetric_unhinged_loss)
    a: float = 1.5
    q: float = 0.9

    @property
    def constants(self) -> tuple[float, float]:
        return self.a, self.q

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return class_forms.asymmetric_unhinged_loss(log_p, a=self.a, q=self.q)

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        p = log_p.exp()
        return -p * (self.a - p).pow(self.q - 1.0), None


@dataclass(frozen=True)
class AsymmetricExponential(Term):
    """exp(-p_y / a)."""

    function = staticmethod(functional.asymmetric_exponential_loss)
    a: float = 3.0

    @property
    def constants(self) -> tuple[float, float]:
        return self.a, 0.0

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return class_forms.asymmetric_exponential_loss(log_p, a=self.a)

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        p = log_p.exp()
        return p * torch.exp(p / -self.a) / -self.a, None


class ReverseCrossEntropy(Term):
    """-log(1e-4) times the sum over k != y of max(p_k, 1e-7)."""

    function = staticmethod(functional.reverse_cross_entropy)

    @property
    def class_sum(self) -> ClassSum:
        return ClassSum("others", math.log(RCE_CLAMP))

    @property
    def constants(self) -> tuple[float, float]:
        return -LOG_ZERO, 0.0

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return -LOG_ZERO * total

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        return None, torch.full_like(total, -LOG_ZERO)


class NormalizedCrossEntropy(Term):
    """log p_y / sum_k log p_k."""

    function = staticmethod(functional.normalized_cross_entropy)

    @property
    def class_sum(self) -> ClassSum:
        return ClassSum("log")

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return log_p.clamp(min=LOWEST_LOG).mul_(total.reciprocal())

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        return self.value_and_slopes(log_p, total)[1:]

    def value_and_slopes(
        self, log_p: Tensor, total: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        slope = total.reciprocal()
        value = log_p.clamp(min=LOWEST_LOG).mul_(slope)
        return value, slope, (value * slope).neg_()


@dataclass(frozen=True)
class NormalizedFocal(Term):
    """FL_y / sum_k FL_k, the factors constant in the gradient."""

    function = staticmethod(functional.normalized_focal_loss)
    gamma: float = 0.5

    @property
    def class_sum(self) -> ClassSum:
        return ClassSum("focal", gamma=self.gamma)

    def check(self, num_classes: int) -> None:
        check_gamma(self.gamma)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return _factor(log_p, self.gamma).mul_(log_p.clamp(min=LOWEST_LOG)).div_(total)

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        slope = _factor(log_p, self.gamma).div_(total)
        return slope, -(slope * log_p.clamp(min=LOWEST_LOG)).div_(total)


@dataclass(frozen=True)
class NormalizedNegativeCrossEntropy(Term):
    """1 - (A + log p_y) / sum_k (A + log p_k), A = -log min_prob."""

    function = staticmethod(functional.normalized_negative_cross_entropy)
    min_prob: float = 1e-7
    #: Where given, min_prob is this / C; resolved by ``for_classes``.
    relative_min_prob: float | None = None

    @property
    def class_sum(self) -> ClassSum:
        return ClassSum("flip", math.log(self.min_prob))

    def for_classes(self, num_classes: int) -> Term:
        return _with_flip_point(self, num_classes)

    def check(self, num_classes: int) -> None:
        check_min_prob(self.min_prob, num_classes)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        return self._share(log_p, total.reciprocal()).neg_().add_(1.0)

    def _share(self, log_p: Tensor, inverse: Tensor) -> Tensor:
        return (log_p - math.log(self.min_prob)).clamp_(min=0.0).mul_(inverse)

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        return self.value_and_slopes(log_p, total)[1:]

    def value_and_slopes(
        self, log_p: Tensor, total: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        slope = total.reciprocal()
        share = self._share(log_p, slope)
        of_sum = share * slope
        slope.mul_(at_least(log_p, math.log(self.min_prob))).neg_()
        return share.neg_().add_(1.0), slope, of_sum


@dataclass(frozen=True)
class NormalizedNegativeFocal(Term):
    """1 - (A - FL_y) / sum_k (A - FL_k), A = -(1 - min_prob)^gamma log min_prob."""

    function = staticmethod(functional.normalized_negative_focal_loss)
    gamma: float = 0.5
    min_prob: float = 1e-7
    #: Where given, min_prob is this / C; resolved by ``for_classes``.
    relative_min_prob: float | None = None

    @property
    def class_sum(self) -> ClassSum:
        return ClassSum("focal_flip", math.log(self.min_prob), self.gamma)

    def for_classes(self, num_classes: int) -> Term:
        return _with_flip_point(self, num_classes)

    def check(self, num_classes: int) -> None:
        check_gamma(self.gamma)
        check_min_prob(self.min_prob, num_classes)

    def value(self, log_p: Tensor, total: Any) -> Tensor:
        log_p = log_p.clamp(min=math.log(self.min_prob))
        return 1.0 - (self.class_sum.top + _factor(log_p, self.gamma).mul_(log_p)) / total

    def slopes(self, log_p: Tensor, total: Any) -> tuple[Tensor | None, Tensor | None]:
        log_min = math.log(self.min_prob)
        clamped = log_p.clamp(min=log_min)
        factor = _factor(clamped, self.gamma)
        of_sum = (self.class_sum.top + factor * clamped).div_(total).div_(total)
        return factor.neg_().div_(total).mul_(at_least(log_p, log_min)), of_sum


#: Every kind of term, in the order in which C and Triton number them.
KINDS: tuple[type[Term], ...] = (
    CrossEntropy,
    Focal,
    MeanAbsoluteError,
    GeneralizedCrossEntropy,
    AsymmetricGeneralizedCrossEntropy,
    AsymmetricUnhinged,
    AsymmetricExponential,
    NormalizedCrossEntropy,
    ReverseCrossEntropy,
    NormalizedFocal,
    NormalizedNegativeCrossEntropy,
    NormalizedNegativeFocal,
)
#: Every kind of sum over the classes, in the order in which C numbers them.
SUM_KINDS = ("log", "flip", "focal", "others", "focal_flip")
_NO_SUM = ClassSum("")
#: In place of an infinite logarithm, which float32 constants of the kernels cannot be.
_LOWEST = -3e38


class Row(NamedTuple):
    """A term as the kernels read it, but for its weight.

    Attributes:
        kind: its place in :data:`KINDS`.
        a, b: its own constants, see :attr:`Term.constants`.
        log_min, gamma, top: those of its sum over the classes, see :class:`ClassSum`.
    """

    kind: int
    a: float
    b: float
    log_min: float
    gamma: float
    top: float


@lru_cache(maxsize=1024)
def row(term: Term) -> Row:
    """The row of a term in the kernels' table.

    Raises:
        TypeError: a term of no kind in :data:`KINDS`.
    """
    if type(term) not in KINDS:
        known = ", ".join(kind.__name__ for kind in KINDS)
        raise TypeError(f"no kernel knows the term {type(term).__name__}; known are {known}.")
    own = term.class_sum or _NO_SUM
    log_min = max(own.log_min, _LOWEST)
    return Row(KINDS.index(type(term)), *term.constants, log_min, own.gamma, own.top)


def _with_flip_point(
    term: NormalizedNegativeCrossEntropy | NormalizedNegativeFocal, num_classes: int
) -> Term:
    """The term with a flip point that is no longer relative, checked."""
    relative = term.relative_min_prob
    check_relative_min_prob(relative)
    if relative is not None:
        term = replace(term, min_prob=relative / num_classes, relative_min_prob=None)
    term.check(num_classes)
    return term


@lru_cache(maxsize=1024)
def for_classes(terms: tuple[Term, ...], num_classes: int) -> tuple[Term, ...]:
    """The terms for so many classes, checked."""
    return tuple(term.for_classes(num_classes) for term in terms)


def scaled(terms: Sequence[Term] | None, weight: float) -> tuple[Term, ...] | None:
    """The terms with their weights times ``weight``; None stays None."""
    if terms is None:
        return None
    return tuple(replace(term, weight=weight * term.weight) for term in terms)


def joined(*parts: Sequence[Term] | None) -> tuple[Term, ...] | None:
    """The sum of losses; None as soon as one of them has no terms."""
    known = [part for part in parts if part is not None]
    return None if len(known) < len(parts) else tuple(term for part in known for term in part)


def class_sums(terms: Sequence[Term]) -> tuple[ClassSum, ...]:
    """The different sums over the classes that the terms need."""
    return tuple(dict.fromkeys(t.class_sum for t in terms if t.class_sum is not None))


def _total(term: Term, log_p: Tensor, totals: dict[ClassSum, Tensor]) -> Tensor:
    """S of the term; any tensor where it has none."""
    return log_p if term.class_sum is None else totals[term.class_sum]


def mixed_value(terms: Sequence[Term], log_p: Tensor, totals: dict[ClassSum, Tensor]) -> Tensor:
    """The weighted sum of the terms (at least one), of the shape of ``log_p``."""
    result = None
    for term in terms:
        result = _add(result, term.value(log_p, _total(term, log_p, totals)), term.weight)
    assert result is not None
    return result


def mixed_slopes(
    terms: Sequence[Term], log_p: Tensor, totals: dict[ClassSum, Tensor]
) -> tuple[Tensor | None, dict[ClassSum, Tensor]]:
    """The weighted sums of v_l (None = 0) and, per sum over the classes, of v_S."""
    mixed = _Mixed()
    for term in terms:
        mixed.add_slopes(term, *term.slopes(log_p, _total(term, log_p, totals)))
    return mixed.of_label, mixed.of_sums


def mixed_value_and_slopes(
    terms: Sequence[Term], log_p: Tensor, totals: dict[ClassSum, Tensor]
) -> tuple[Tensor, Tensor | None, dict[ClassSum, Tensor]]:
    """:func:`mixed_value` and :func:`mixed_slopes`, in less time."""
    mixed, result = _Mixed(), None
    for term in terms:
        value, *slopes = term.value_and_slopes(log_p, _total(term, log_p, totals))
        result = _add(result, value, term.weight)
        mixed.add_slopes(term, *slopes)
    assert result is not None
    return result, mixed.of_label, mixed.of_sums


def _add(total: Any, value: Tensor, weight: float) -> Tensor:
    """total + weight * value, in the memory of one of them."""
    if total is not None:
        return total.add_(value, alpha=weight)
    return value if weight == 1.0 else value.mul_(weight)


class _Mixed:
    """Weighted sums of slopes."""

    def __init__(self) -> None:
        self.of_label: Tensor | None = None
        self.of_sums: dict[ClassSum, Tensor] = {}

    def add_slopes(self, term: Term, of_label: Tensor | None, of_sum: Tensor | None) -> None:
        if of_label is not None:
            self.of_label = _add(self.of_label, of_label, term.weight)
        if of_sum is not None and term.class_sum is not None:
            known = self.of_sums.get(term.class_sum)
            self.of_sums[term.class_sum] = _add(known, of_sum, term.weight)
