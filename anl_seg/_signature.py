"""The parameters of a class, those that it hands on to its bases included."""

from __future__ import annotations

import inspect

from torch import nn

#: Where the bases of a class begin that have no parameters of interest.
_ROOTS = (nn.Module, object)
_ANY = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def parameters_of(cls: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """The parameters of a class's constructor by name, with those that ``**kwargs`` hands on to its bases.

    And whether these are all: not so where ``**kwargs`` goes to something else than a base.
    """
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if base in _ROOTS:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in _ANY:
                found.setdefault(parameter.name, parameter)
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            return found, True
    return found, False
