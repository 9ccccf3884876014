"""Showing how far a long run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

from rich.console import Console

from anl_seg._progress import progress_bars

_LINE_SECONDS = 15.0
_T = TypeVar("_T")


def shown(items: Iterable[_T], total: int, what: str, console: Console) -> Iterator[_T]:
    """Pass the items on, counted for people to see.

    Args:
        items: passed on as they come.
        total: how many there will be.
        what: what is being done to them.
        console: where it is shown.
    """
    rest = iter(items)
    next_line = time.monotonic() + _LINE_SECONDS
    # The first item comes before the bar starts its thread: workers are forked until then.
    for first in rest:
        with progress_bars(console) as progress:
            task = progress.add_task(what, total=total)
            for done, item in enumerate(chain([first], rest), start=1):
                progress.update(task, completed=done)
                if not console.is_terminal and time.monotonic() > next_line:
                    console.print(f"{what}: {done} of {total}")
                    next_line = time.monotonic() + _LINE_SECONDS
                yield item
