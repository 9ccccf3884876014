"""The parameters of a class, those that it hands on to its bases included."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache

from torch import nn

#: Where the bases of a class begin that have no parameters of interest.
_ROOTS = (nn.Module, object)
_ANY = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


@cache
def _hands_on(init: Callable, name: str) -> bool:
    """Whether a constructor calls that of a base with its ``**kwargs``, of this name."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, SyntaxError, TypeError):
        return False
    return any(
        isinstance(call, ast.Call)
        and getattr(call.func, "attr", None) == "__init__"
        and keyword.arg is None
        and any(getattr(part, "id", None) == name for part in ast.walk(keyword.value))
        for call in ast.walk(tree)
        for keyword in getattr(call, "keywords", ())
    )


def parameters_of(cls: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """The parameters of a class's constructor by name, with those that ``**kwargs`` hands on to its bases.

    And whether these are all: not so where ``**kwargs`` goes to something else than a base, or nowhere.
    """
    found: dict[str, inspect.Parameter] = {}
    complete = True
    for base in cls.__mro__:
        if base in _ROOTS:
            break
        if "__init__" not in vars(base):
            continue
        init = vars(base)["__init__"]
        parameters = list(inspect.signature(init).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in _ANY:
                found.setdefault(parameter.name, parameter)
        rest = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        if not rest:
            return found, complete
        complete = complete and _hands_on(init, rest[0])
    return found, False
