"""Validators of numbers, flags and masks. Each error names the value and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

# Most offending values an error lists; a wrong mask can hold thousands of them.
_MAX_LISTED = 5

#: Most classes that a mask can have: some models keep a few numbers for each.
MAX_CLASSES = 2**20
#: Most classes of what holds a number for each pair of classes: 128 MiB a table.
MAX_PAIRED_CLASSES = 2**12


def check_number(
    name: str, value: object, *, low: float = 0.0, high: float = math.inf, below: bool = False
) -> float:
    """Return ``value`` as a float if it lies in [low, high], or in [low, high) with ``below``.

    Raises:
        ValueError: the value is no finite real number in the range.
    """
    allowed = f"[{low:g}, {high:g}{')' if below or math.isinf(high) else ']'}"
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, numbers.Real)
        or not math.isfinite(value)
    ):
        raise ValueError(f"{name} must be a finite number in {allowed}, got {value!r}")
    # Adding 0.0 turns -0.0 into 0.0: the two are equal but spelled differently in a digest.
    number = float(value) + 0.0
    if number < low or number > high or (below and number == high):
        raise ValueError(f"{name} must lie in {allowed}, got {number!r}")
    return number


def check_rate(name: str, value: object) -> float:
    """Return ``value`` as a float in [0, 1], or raise a ValueError that names it."""
    return check_number(name, value, low=0.0, high=1.0)


def check_integer(name: str, value: object, *, low: int) -> int:
    """Return ``value`` as an int of at least ``low``, or raise a ValueError that names it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}")
    return int(value)


def check_num_classes(num_classes: object, *, limit: int = MAX_CLASSES, why: str = "") -> int:
    """Return the number of classes as an int in [2, limit], or raise a ValueError that names it.

    Args:
        limit: most classes allowed. Memory goes with them, so this comes before all that allocates.
        why: ends the error about too many, for example " (it keeps ...)".
    """
    num_classes = check_integer("num_classes", num_classes, low=2)
    if num_classes > limit:
        raise ValueError(f"num_classes must be at most {limit}{why}, got {num_classes}")
    return num_classes


def check_paired_classes(num_classes: object, holder: str) -> int:
    """As :func:`check_num_classes`, for a ``holder`` that keeps a number for each pair of classes."""
    why = f" for {holder}, which keeps a number for each pair of classes"
    return check_num_classes(num_classes, limit=MAX_PAIRED_CLASSES, why=why)


def check_per_class(
    name: str, value: object, check: Callable[[str, object], Any]
) -> Any | list[Any]:
    """Return ``value`` checked: one value for every class, or a list with one for each class.

    Args:
        check: takes a name and a value; returns the value or raises.

    Returns:
        What ``check`` returns, or a list of it.
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        return [check(f"{name}[{label}]", item) for label, item in enumerate(value)]
    return check(name, value)


def value_per_class(name: str, value: Any, num_classes: int) -> list[Any]:
    """``value`` for each class, from what :func:`check_per_class` returned.

    Raises:
        ValueError: a list does not have one value for each class.
    """
    if not isinstance(value, list):
        return [value] * num_classes
    if len(value) != num_classes:
        raise ValueError(
            f"{name} lists {len(value)} values, one for each class; the data has {num_classes} classes"
        )
    return value


def check_flag(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False, or raise a ValueError that names it."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_background(value: object) -> int | None:
    """Return ``value`` if it is None or a class index of at least 0, or raise a ValueError."""
    return None if value is None else check_integer("background", value, low=0)


def check_rng(rng: object) -> None:
    """Raise a TypeError unless ``rng`` is a numpy RandomState or Generator."""
    if not isinstance(rng, (np.random.RandomState, np.random.Generator)):
        raise TypeError(
            "rng must be a numpy.random.RandomState (see anl_seg.noise.sample_rng) or "
            f"numpy.random.Generator, got {rng!r}"
        )


def check_mask(mask: np.ndarray, *, num_classes: int, ignore_index: int) -> np.ndarray:
    """Check a mask and return which of its pixels are valid.

    Args:
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``; H and W may be 0.
        num_classes: number of classes, 2 to ``MAX_CLASSES``.
        ignore_index: label of the pixels without a class; outside [0, num_classes).

    Returns:
        (H, W) bool, True where the pixel has a class.

    Raises:
        ValueError: any of the above does not hold, or the mask's dtype cannot hold every class.
    """
    num_classes = check_num_classes(num_classes)
    if not isinstance(ignore_index, numbers.Integral) or isinstance(ignore_index, bool):
        raise ValueError(f"ignore_index must be an integer, got {ignore_index!r}")
    if 0 <= ignore_index < num_classes:
        raise ValueError(
            f"ignore_index must lie outside [0, num_classes) = [0, {num_classes}), "
            f"got {ignore_index}: noise would turn labelled pixels into ignored ones"
        )
    if not isinstance(mask, np.ndarray) or not np.issubdtype(mask.dtype, np.integer):
        got = f"dtype {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ValueError(f"mask must be a numpy array of integers, got {got}")
    if mask.ndim != 2:
        raise ValueError(f"mask must have shape (H, W), got {mask.shape}")
    if num_classes - 1 > np.iinfo(mask.dtype).max:
        raise ValueError(f"a mask of dtype {mask.dtype} cannot hold {num_classes} classes")
    # int() keeps the comparison exact for every integer dtype: an ignore_index that the dtype
    # cannot hold (-1 in a uint8 mask) simply never occurs.
    info = np.iinfo(mask.dtype)
    if info.min <= ignore_index <= info.max:
        valid = mask != int(ignore_index)
    else:
        valid = np.ones(mask.shape, dtype=bool)
    wrong = mask > num_classes - 1
    if info.min < 0:
        wrong |= mask < 0
    wrong &= valid
    if wrong.any():
        values = np.unique(mask[wrong])
        listed = ", ".join(str(v) for v in values[:_MAX_LISTED].tolist())
        more = f" and {len(values) - _MAX_LISTED} more" if len(values) > _MAX_LISTED else ""
        raise ValueError(
            f"mask holds labels {listed}{more} ({int(wrong.sum())} pixels); "
            f"allowed: 0 to {num_classes - 1}, or ignore_index {ignore_index}"
        )
    return valid


def check_background_in_range(background: int | None, num_classes: int) -> None:
    """Raise a ValueError if ``background`` is not one of the classes."""
    if background is not None and background >= num_classes:
        raise ValueError(
            f"background must be None or a class in [0, {num_classes}), got {background}"
        )
