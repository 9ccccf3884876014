"""Showing how far a long run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 15.0
_T = TypeVar("_T")


def shown(items: Iterable[_T], total: int, what: str, console: Console) -> Iterator[_T]:
    """The items, counted for people to see.

    Args:
        items: passed on as they come.
        total: how many there will be.
        what: what is being done to them.
        console: where it is shown.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # The first item comes before the bar starts its thread: workers are forked until then.
    items = iter(items)
    done, next_line = 0, time.monotonic() + _LINE_SECONDS
    first = next(items, None)
    if first is None:
        return
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        item = first
        while item is not None:
            done += 1
            progress.update(task, completed=done)
            if not console.is_terminal and time.monotonic() > next_line:
                console.print(f"{what}: {done} of {total}")
                next_line = time.monotonic() + _LINE_SECONDS
            yield item
            item = next(items, None)
