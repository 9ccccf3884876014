"""Profiles of the property tests, markers, and the Python that tests start.

A test that starts a Python process is marked ``process``; one that trains a real model in a process
``training``, which implies it; one that runs Triton's interpreter ``interpreter``. A fixture that does
so requests ``starts_process`` or ``starts_training``, and all tests that use it are marked. Without the
mark the start fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers side by side: threads of one would wait for the other's. Before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from tests.warm.guard import Guard
from tests.warm.python import WarmPython

settings.register_profile("short", max_examples=30, deadline=None)
settings.register_profile("long", max_examples=500, deadline=None)
settings.load_profile("short")

MARKS = ("training", "interpreter", "process")
_python = pytest.StashKey[WarmPython]()
GUARD = pytest.StashKey[Guard]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_python] = WarmPython()
    config.stash[GUARD] = Guard()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_python].stop()
    config.stash[GUARD].remove()


@pytest.fixture(scope="session")
def starts_process() -> None:
    """For fixtures: what uses this one starts a Python process."""


@pytest.fixture(scope="session")
def starts_training() -> None:
    """For fixtures: what uses this one trains a real model in a process."""


@pytest.fixture
def warm_python(request: pytest.FixtureRequest) -> str:
    """The interpreter that is loaded already, for a test that starts fresh ones otherwise."""
    return request.config.stash[_python].path


def _mark(item: pytest.Item) -> None:
    for name in ("process", "training"):
        if f"starts_{name}" in getattr(item, "fixturenames", ()):
            item.add_marker(name)
    if item.get_closest_marker("process") is None and any(map(item.get_closest_marker, MARKS)):
        item.add_marker("process")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests; in workers, which take one file after the other, the slowest files first."""
    cost: dict[object, int] = {}
    for item in items:
        _mark(item)
        rank = next((i for i, name in enumerate(MARKS) if item.get_closest_marker(name)), 3)
        cost[item.path] = min(rank, cost.get(item.path, 3))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: cost[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lets a marked test, and the fixtures it makes, start a Python that is loaded already."""
    mark = item.get_closest_marker("process")
    real, guard = sys.executable, item.config.stash[GUARD]
    guard.marks = {name for name in MARKS if item.get_closest_marker(name)}
    if mark is not None and mark.kwargs.get("warm", True):
        sys.executable = item.config.stash[_python].path
    try:
        return (yield)
    finally:
        sys.executable = real
        guard.marks = None
