"""Progress bars on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
