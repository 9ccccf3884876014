"""What is seen of a study while it runs: a live table, or a line per event where there is no terminal."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from anl_seg.study.plan import StudyRun
from anl_seg.study.run.checkpoints import progress


def time_text(seconds: float | None) -> str:
    """``2 h 05 min``, ``3 min 20 s``, ``8 s``; ``?`` for None."""
    if seconds is None:
        return "?"
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


@dataclass
class Timings:
    """Seconds that whole runs took, by model; what is left follows from them.

    Attributes:
        expected: model -> seconds, measured before the study.
    """

    expected: dict[str, float] = field(default_factory=dict)
    _measured: dict[str, list[float]] = field(default_factory=dict)

    def add(self, model: str, seconds: float) -> None:
        """A run that was trained from its start to its end took so long."""
        self._measured.setdefault(model, []).append(seconds)

    def of(self, model: str) -> float | None:
        """Seconds of a run of this model; that of another one if nothing is known of it."""
        if self._measured.get(model):
            return statistics.fmean(self._measured[model])
        if model in self.expected:
            return self.expected[model]
        others = [s for many in self._measured.values() for s in many]
        return statistics.fmean(others) if others else None


@dataclass
class _Active:
    run: StudyRun
    started: float
    done: int = 0

    @property
    def total(self) -> int:
        return self.run.max_iters or self.run.max_epochs or 1

    def left(self, timings: Timings) -> float | None:
        seconds = timings.of(self.run.axes["model"])
        if seconds is not None:
            return seconds * (1 - min(1.0, self.done / self.total))
        if not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)


class StudyProgress:
    """Shows what runs, what has ended and how long the rest will take.

    Args:
        console: a terminal gets a live table, anything else a line per event.
        timings: for the time left; runs that end well are added to it.
        total: runs of the study.
        finished: of them finished before.
    """

    def __init__(self, console: Console, timings: Timings, total: int, finished: int) -> None:
        self.console = console
        self.timings = timings
        self.total, self.finished, self.failed = total, finished, 0
        self._active: dict[str, _Active] = {}
        self._live = Live(console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> StudyProgress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def event(self, word: str, run: StudyRun, detail: str = "") -> None:
        """Print one line: the time, what happened to which run, and more of it."""
        text = f"{time.strftime('%H:%M:%S')}  {word:<9} {run.name}"
        self.console.print(f"{text}  ({detail})" if detail else text, markup=False, highlight=False)

    def start(self, run: StudyRun, attempt: int) -> None:
        """An attempt starts."""
        self._active[run.digest] = _Active(run, time.monotonic())
        self.event("start", run, f"attempt {attempt}" if attempt > 1 else "")

    def end(self, run: StudyRun) -> None:
        """An attempt has ended; what that means is said by :meth:`event`."""
        self._active.pop(run.digest, None)

    def left(self, waiting: Iterable[StudyRun], at_a_time: int) -> float | None:
        """Seconds until all is done; None if nothing is known yet."""
        parts = [self.timings.of(run.axes["model"]) for run in waiting]
        active = [a.left(self.timings) for a in self._active.values()]
        known_parts = [part for part in parts if part is not None]
        known_active = [part for part in active if part is not None]
        if len(known_parts) < len(parts) or len(known_active) < len(active):
            return None
        # Not less than the longest that runs now.
        return max([sum([*known_parts, *known_active]) / max(1, at_a_time), *known_active, 0.0])

    def counts(self, waiting: int) -> str:
        """``3 of 48 finished, 2 running, 43 waiting``."""
        text = f"{self.finished} of {self.total} finished, {len(self._active)} running"
        return f"{text}, {waiting} waiting" + (f", {self.failed} FAILED" if self.failed else "")

    def update(self, waiting: list[StudyRun], at_a_time: int) -> None:
        """Read the logs of what runs and draw the table."""
        if not self.console.is_terminal:
            return
        table = Table(box=None, pad_edge=False)
        for name in ("run", "done", "left"):
            table.add_column(name, justify="left" if name == "run" else "right")
        for active in self._active.values():
            unit = "epoch" if active.run.max_iters is None else "iter"
            active.done = progress(active.run.folder, unit)
            table.add_row(
                Text(active.run.name),
                f"{active.done}/{active.total}",
                time_text(active.left(self.timings)),
            )
        left = time_text(self.left(waiting, at_a_time))
        self._live.update(Group(table, Text(f"{self.counts(len(waiting))}; about {left} left")))
