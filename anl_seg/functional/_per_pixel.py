"""A per-pixel loss stated once: its formula, and what its parameters may be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple, Protocol, cast

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import no_autocast_on

#: log p (N, C, *) -> loss of each class as the label (N, C, *).
ClassForm = Callable[[Tensor], Tensor]

#: What all functions share, at the end of each docstring.
_COMMON = """
    The further arguments are ``logits`` (N, C, *), any real, one channel being a binary head; ``target``
    (N, *), integers in [0, C) or ``ignore_index``; and ``ignore_index``, the label of pixels that do not
    count. The loss is (N, *), 0 where ignored, in float32, or float64 for float64 logits. A ValueError names
    a label or parameter out of range, and shapes that do not fit."""


class Allowed(NamedTuple):
    """The values that a parameter may have.

    Attributes:
        words: what it must do, for the error: ``lie in (0, 1]``.
        holds: whether a value does.
        what: what the parameter is, where its name does not tell.
    """

    words: str
    holds: Callable[[Any], bool]
    what: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raise ValueError naming the value and what is allowed."""
        if not self.holds(value):
            shown = repr(value) if isinstance(value, str) else value
            raise ValueError(f"{name}{self.what} must {self.words}; got {shown}.")


def one_of(names: Sequence[str]) -> Allowed:
    """One of some names."""
    return Allowed(f"be one of {', '.join(names)}", lambda value: value in names)


POSITIVE = Allowed("be above 0", lambda value: value > 0.0)
ABOVE_1 = Allowed("be above 1", lambda value: value > 1.0)
NOT_NEGATIVE = Allowed("be 0 or more", lambda value: value >= 0.0)
INSIDE_0_1 = Allowed("lie in (0, 1)", lambda value: 0.0 < value < 1.0)
#: A flip point of ``relative_min_prob`` / C.
RELATIVE = Allowed(
    "lie in (0, 1) or be None",
    lambda value: value is None or 0.0 < value < 1.0,
    what=", the flip point as a share of 1 / C,",
)
SHARE = Allowed("lie in [0, 1]", lambda value: 0.0 <= value <= 1.0)


class PixelFunction(Protocol):
    """A public per-pixel loss: logits (N, C, *), labels (N, *) -> loss (N, *)."""

    __name__: str

    def __call__(
        self, logits: Tensor, target: Tensor, *, ignore_index: int = 255, **parameters: Any
    ) -> Tensor:
        """The loss of each pixel."""
        ...

    def of(self, px: Pixels, **parameters: Any) -> Tensor:
        """The same for a batch that is checked already."""
        ...

    def check(self, **parameters: Any) -> None:
        """Raise ValueError for a parameter out of range."""
        ...


class PointwiseFunction(PixelFunction, Protocol):
    """A per-pixel loss that depends on p_y alone."""

    def form(self, log_p: Tensor, **parameters: Any) -> Tensor:
        """The loss of each class as the label, from log p of any shape."""
        ...


def per_pixel(**allowed: Allowed) -> Callable[[Callable[..., Tensor]], PixelFunction]:
    """Make a public function of a formula ``formula(px, *, parameters) -> (N, *)``.

    The function is called with ``logits, target`` and keywords, checks them, leaves autocast, and puts 0
    where a pixel does not count.

    Args:
        allowed: what each parameter with a range may be.
    """

    def declared(formula: Callable[..., Tensor]) -> PixelFunction:
        def check(**parameters: Any) -> None:
            for name, value in parameters.items():
                if name in allowed:
                    allowed[name].check(name, value)

        def of(px: Pixels, **parameters: Any) -> Tensor:
            check(**parameters)
            px.check_labels()
            return px.masked(formula(px, **parameters))

        @wraps(formula)
        def function(
            logits: Tensor, target: Tensor, *, ignore_index: int = 255, **parameters: Any
        ) -> Tensor:
            px = Pixels(logits, target, ignore_index)
            with no_autocast_on(logits.device.type):
                return of(px, **parameters)

        public = cast(Any, function)
        public.of, public.check = of, check
        public.__signature__ = _public_signature(formula)
        public.__doc__ = f"{formula.__doc__.rstrip()}\n{_COMMON}\n" if formula.__doc__ else None
        return cast(PixelFunction, public)

    return declared


def pointwise(**allowed: Allowed) -> Callable[[Callable[..., Tensor]], PointwiseFunction]:
    """:func:`per_pixel` of a formula ``form(log_p, *, parameters)`` of the label's probability alone."""

    def declared(form: Callable[..., Tensor]) -> PointwiseFunction:
        @wraps(form)
        def formula(px: Pixels, **parameters: Any) -> Tensor:
            return form(px.label_log_prob(), **parameters)

        public = cast(Any, per_pixel(**allowed)(formula))
        public.form = form
        return cast(PointwiseFunction, public)

    return declared


def _public_signature(formula: Callable[..., Tensor]) -> inspect.Signature:
    """``(logits, target, *, the formula's parameters, ignore_index=255) -> Tensor``."""

    def common(logits: Tensor, target: Tensor, *, ignore_index: int = 255) -> Tensor:
        raise NotImplementedError  # only the signature is of use

    shared = inspect.signature(common)
    logits, target, ignore_index = shared.parameters.values()
    own = list(inspect.signature(formula).parameters.values())[1:]
    return shared.replace(parameters=[logits, target, *own, ignore_index])
