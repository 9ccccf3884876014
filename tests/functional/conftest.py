"""The per-pixel losses under test, by function name (so `pytest -k NAME` runs all tests of one)."""

from __future__ import annotations

import inspect

import pytest

from anl_seg import functional

#: What these parameters are of needs more than a batch: random draws, weights of pixels, other losses.
_OF_OTHERS = {"generator", "weight", "base"}


def _is_plain(name: str) -> bool:
    """Whether a function is a loss of each pixel that needs nothing but logits and labels."""
    function = getattr(functional, name)
    parameters = list(inspect.signature(function).parameters.values())[2:]
    return (
        (hasattr(function, "of") or name.startswith("active_negative_"))
        and all(p.default is not p.empty for p in parameters)
        and not _OF_OTHERS & {p.name for p in parameters}
    )


NAMES = sorted(filter(_is_plain, functional.__all__))


@pytest.fixture(params=NAMES)
def loss_function(request):
    return getattr(functional, request.param)
