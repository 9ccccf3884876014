"""The precision that losses are computed in, whatever autocast and the default dtype say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 for float64, and float32 for every other floating-point dtype."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def full_precision(values: Tensor) -> Tensor:
    """``values`` in the dtype that a loss of them is computed in; themselves where they have it."""
    dtype = compute_dtype(values.dtype)
    return values if values.dtype == dtype else values.to(dtype)


def no_autocast_on(device_type: str) -> AbstractContextManager:
    """Where operations on a device keep their dtypes."""
    if not (torch.compiler.is_compiling() or torch._C._is_any_autocast_enabled()):
        return nullcontext()  # a context of autocast costs more than all else around a small loss
    try:
        return torch.autocast(device_type, enabled=False)
    except RuntimeError:  # a device that autocast does not know
        return nullcontext()


def without_autocast(function: Callable[..., Result]) -> Callable[..., Result]:
    """Let ``function`` run without autocast on the device of the first tensor it is given.

    Autocast lowers matrix products to half precision, float32 ones too. With it off nothing raises half
    precision either: the function must do that itself (:func:`full_precision`).
    """

    @wraps(function)
    def call(*args, **kwargs) -> Result:
        given = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        first = next(given, None)
        if first is None:  # the function says what is wrong with its arguments
            return function(*args, **kwargs)
        with no_autocast_on(first.device.type):
            return function(*args, **kwargs)

    return call
