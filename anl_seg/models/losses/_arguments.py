"""The parameters of a loss, and words for wrong ones before it is built."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from anl_seg._signature import parameters_of
from anl_seg._suggest import wrong_parameters

#: What a value must be by how its parameter is annotated, and the word for it.
_KINDS: dict[str, tuple[Any, str]] = {
    "float": (numbers.Real, "a number"),
    "int": (numbers.Integral, "an integer"),
    "bool": ((bool, np.bool_), "True or False"),
}


def _passed_on_once(cls: type[nn.Module], name: str) -> bool:
    """Whether the constructor does not itself give a parameter to its base, so that it may be given."""
    if name in inspect.signature(cls).parameters:
        return True
    try:
        cls(**{name: None})
    except TypeError as error:
        return "multiple values" not in str(error)
    except Exception:  # it reached the loss, which does not want this value
        return True
    return True


def check_arguments(cls: type[nn.Module], arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of a loss that it does not know, of the wrong kind, or that are missing.

    Raises:
        TypeError: the value is named, and what is allowed.
    """
    known, complete = parameters_of(cls)
    unknown = [
        name
        for name in arguments
        if complete and (name not in known or not _passed_on_once(cls, name))
    ]
    required = [p.name for p in known.values() if p.default is p.empty]
    missing = [name for name in required if name not in arguments]
    if unknown or missing:
        allowed = [name for name in known if _passed_on_once(cls, name)]
        raise TypeError(wrong_parameters(cls.__name__, unknown, missing, allowed))
    for name, value in arguments.items():
        if name not in known:
            continue
        annotation, _, optional = str(known[name].annotation).partition(" | ")
        if annotation not in _KINDS or optional not in ("", "None") or (optional and value is None):
            continue
        kind, words = _KINDS[annotation]
        if not isinstance(value, kind) or (isinstance(value, bool) and annotation != "bool"):
            raise TypeError(f"{name} of {cls.__name__} must be {words}; got {value!r}.")
