"""Showing how far a long run is: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 15.0
_T = TypeVar("_T")


def progress_bars(console: Console, *, auto_refresh: bool = True) -> Progress:
    """Bars that say what is done, how much of how many, and the time left; none where there is no terminal.

    Args:
        console: where they are drawn.
        auto_refresh: let a thread redraw them. False where processes are forked meanwhile.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        auto_refresh=auto_refresh,
    )


def shown(items: Iterable[_T], total: int, what: str, console: Console) -> Iterator[_T]:
    """Yield the items while the console shows how many of them have come.

    Args:
        items: passed on as they come.
        total: how many there will be.
        what: what is being done to them.
        console: where it is shown.
    """
    items = iter(items)
    # The first item comes before the bar starts its thread: workers are forked until then.
    first = list(itertools.islice(items, 1))
    if not first:
        return
    next_line = time.monotonic() + _LINE_SECONDS
    with progress_bars(console) as progress:
        task = progress.add_task(what, total=total)
        for done, item in enumerate(itertools.chain(first, items), start=1):
            progress.update(task, completed=done)
            if not console.is_terminal and time.monotonic() > next_line:
                console.print(f"{what}: {done} of {total}")
                next_line = time.monotonic() + _LINE_SECONDS
            yield item
