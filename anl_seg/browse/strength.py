"""The one number that makes a noise weaker or stronger."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anl_seg._suggest import unknown_name
from anl_seg.noise import NOISES, MaskNoise, build_noise

#: The name of a strength that scales those of all noises inside a noise.
FACTOR = "factor"

#: Limits that are looked for above a strength, and how far beyond one is refused.
_LIMITS = (1.0, 2.0)
_BEYOND = 1e-6

_Path = tuple[object, ...]


@dataclass(frozen=True)
class Strength:
    """What a slider over a noise moves.

    Attributes:
        name: parameter, path of a parameter (``noises.0.rate``), or ``factor``.
        noise: the noise at the strength that was asked for.
        base: that strength; of a list with one value per class the largest.
        whole: whether only whole numbers are allowed.
        inverse: whether less is more.
    """

    name: str
    noise: MaskNoise
    base: float
    whole: bool
    inverse: bool
    _paths: tuple[_Path, ...]
    _inverse_paths: tuple[_Path, ...] = ()

    @property
    def is_factor(self) -> bool:
        """Whether it scales the strengths of the noises inside a noise."""
        return self.name == FACTOR

    @property
    def is_list(self) -> bool:
        """Whether there is one value for each class."""
        return not self.is_factor and isinstance(
            _value(self.noise.config(), self._paths[0]), (list, tuple)
        )

    def noise_at(self, value: float) -> MaskNoise:
        """The noise at another strength; lists with one value per class are scaled as a whole.

        Raises:
            ValueError: the noise does not allow it.
        """
        if value == self.base:
            return self.noise
        if self.whole and value != round(value):
            raise ValueError(f"{self.name} must be a whole number, got {value!r}")
        factor = value / self.base
        config = copy.deepcopy(self.noise.config())
        for path in self._paths:
            _replace(config, path, factor)
        for path in self._inverse_paths:
            if factor == 0:
                raise ValueError(f"{'.'.join(map(str, path))} cannot be infinite")
            _replace(config, path, 1 / factor)
        return build_noise(config)

    def allows(self, value: float) -> bool:
        """Whether there is such a noise."""
        try:
            self.noise_at(value)
        except ValueError:
            return False
        return True

    def default_values(self) -> list[float]:
        """About seven strengths, weak ones first: from 0 to the given one and on to the limit.

        Where no limit is known they go on to twice the given strength. What the noise does not
        allow is left out.
        """
        base = self.base
        if self.inverse:
            wanted = [base * k for k in (4, 2, 1.5, 1, 0.5, 0.25)]
        else:
            limit, closed = self._limit()
            if limit is not None and base >= limit:
                wanted = [base * k / 6 for k in range(7)]
            else:
                above = base if limit is None else limit - base
                parts = (1 / 2, 1) if closed else (1 / 3, 2 / 3)
                wanted = [base * k / 4 for k in range(5)] + [base + above * p for p in parts]
        values = [base if w == base else self._rounded(w) for w in wanted]
        return [v for v in dict.fromkeys(values) if self.allows(v)]

    def ordered(self, values: Sequence[float]) -> list[float]:
        """The values without repetitions, weak ones first.

        Raises:
            ValueError: a value that the noise does not allow.
        """
        for value in values:
            self.noise_at(value)
        return sorted(set(values), reverse=self.inverse)

    def _limit(self) -> tuple[float | None, bool]:
        """The largest strength, and whether it is allowed itself; None if there is none known."""
        for limit in () if self.is_factor else _LIMITS:
            if self.base <= limit and not self.allows(limit * (1 + _BEYOND)):
                if self.allows(limit):
                    return limit, True
                if self.allows(limit * (1 - _BEYOND)):
                    return limit, False
        return None, True

    def _rounded(self, value: float) -> float:
        return math.floor(value + 0.5) if self.whole else float(f"{value:.3g}")


def find_strength(noise: MaskNoise, name: str | None = None) -> Strength | None:
    """What a slider over ``noise`` moves; None if there is nothing.

    Args:
        noise: the noise at the strength that was asked for.
        name: a parameter, the path of one inside a combined noise (``noises.0.rate``), or ``factor``,
            which scales the strengths of all noises inside one. None: the
            one that the noise declares, else ``factor`` where noises inside it have one.

    Raises:
        ValueError: there is no such parameter, it is no number (or list of numbers), or it is 0, so
            that it cannot be scaled.
    """
    config = noise.config()
    if name is None:
        own = _main(type(noise), config, ())
        return _of_paths(noise, config, own, None) or _factor(noise, config)
    if name == FACTOR:
        found = _factor(noise, config)
    else:
        known = {".".join(map(str, path)): path for path in _amounts(noise, config)}
        if name not in known:
            names = [*known, *([FACTOR] if _factor(noise, config) else [])]
            raise ValueError(
                unknown_name(f"strength of {type(noise).__name__}", name, names)
                if names
                else f"{type(noise).__name__} has no strength {name!r}: none of its parameters is a number."
            )
        found = _of_paths(noise, config, known[name], name)
    if found is None:
        raise ValueError(
            f"{name} cannot slide: it is 0 in {type(noise).__name__}, and it slides by being scaled."
        )
    return found


def _of_paths(
    noise: MaskNoise, config: dict[str, Any], path: _Path | None, name: str | None
) -> Strength | None:
    if path is None:
        return None
    entries = _entries(_value(config, path))
    base = max(entries)
    if not base > 0:
        return None
    kind = _kind(noise, config, path[:-1])
    return Strength(
        name=name or ".".join(map(str, path)),
        noise=noise,
        base=base,
        whole=all(isinstance(e, numbers.Integral) for e in entries),
        inverse=kind.less_is_stronger and path[-1] == kind.strength_name,
        _paths=(path, *_companions(kind, config, path)),
    )


def _factor(noise: MaskNoise, config: dict[str, Any]) -> Strength | None:
    """A strength that scales those of all noises inside one."""
    direct: list[_Path] = []
    inverse: list[_Path] = []
    for path in _inner_noises(config, ()):
        kind = _kind(noise, config, path)
        own = _main(kind, _value(config, path), path)
        if own is not None and kind.less_is_stronger:
            inverse.append(own)
        elif own is not None:
            direct += [own, *_companions(kind, config, own)]
    if not any(max(_entries(_value(config, p))) > 0 for p in (*direct, *inverse)):
        return None
    return Strength(FACTOR, noise, 1.0, False, False, tuple(direct), tuple(inverse))


def _kind(noise: MaskNoise, config: dict[str, Any], path: _Path) -> type[MaskNoise]:
    """The class of the noise at a path: that of the whole, or of one inside it (if registered)."""
    return NOISES.get(_value(config, path)["type"], MaskNoise) if path else type(noise)


def _companions(kind: type[MaskNoise], config: dict[str, Any], path: _Path) -> list[_Path]:
    """The paths of what must be scaled along with a parameter."""
    owner = _value(config, path[:-1])
    others = kind.strength_companions if path[-1] == kind.strength_name else ()
    return [(*path[:-1], other) for other in others if _is_amount(owner.get(other))]


def _main(kind: type[MaskNoise], config: dict[str, Any], path: _Path) -> _Path | None:
    """The path of a noise's own strength: the declared one, else the likeliest of its numbers."""
    names: Sequence[str] = [kind.strength_name] if kind.strength_name else list(config)
    declared = {noise.strength_name for noise in NOISES.values()}
    for name in sorted(names, key=lambda name: name not in declared):
        if name not in kind.not_strengths and _is_amount(config.get(name)):
            return (*path, name)
    return None


def _inner_noises(config: Any, path: _Path) -> Iterator[_Path]:
    """The paths of the noises inside a noise, at any depth."""
    items = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in items:
        if isinstance(value, dict) and "type" in value:
            yield (*path, key)
        if isinstance(value, (dict, list, tuple)):
            yield from _inner_noises(value, (*path, key))


def _amounts(noise: MaskNoise, config: dict[str, Any]) -> Iterator[_Path]:
    """The paths of all numbers and lists of numbers of a noise and those inside it."""
    for owner in ((), *_inner_noises(config, ())):
        kind = _kind(noise, config, owner)
        for key, value in _value(config, owner).items():
            if key not in kind.not_strengths and _is_amount(value):
                yield (*owner, key)


def _is_amount(value: object) -> bool:
    entries = _entries(value)
    return bool(entries) and all(
        isinstance(e, numbers.Real) and not isinstance(e, bool) for e in entries
    )


def _entries(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _value(config: Any, path: _Path) -> Any:
    for key in path:
        config = config[key]
    return config


def _replace(config: dict[str, Any], path: _Path, factor: float) -> None:
    owner, old = _value(config, path[:-1]), _value(config, path)
    new = [_scaled(entry, factor) for entry in _entries(old)]
    owner[path[-1]] = new if isinstance(old, (list, tuple)) else new[0]


def _scaled(entry: float, factor: float) -> float:
    if isinstance(entry, numbers.Integral):
        return math.floor(entry * factor + 0.5)
    return float(f"{entry * factor:.9g}")
