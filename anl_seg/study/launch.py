"""Running trainings side by side, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from anl_seg._signals import interrupted_once
from anl_seg.engine._atomic import write_json_atomically
from anl_seg.study.plan import Run
from anl_seg.study.run.completion import missing_at_end
from anl_seg.study.run.threads import asked_threads
from anl_seg.study.run.training_process import ask_to_end, end_training, start_training

_POLL_SECONDS = 1.0
_LINE_SECONDS = 15.0


def _start(run: Run, train_script: Path, threads: int) -> subprocess.Popen:
    run.folder.mkdir(parents=True, exist_ok=True)
    write_json_atomically(run.started_file, {"digest": run.digest})
    log = open(run.folder / "output.log", "a", encoding="utf-8")  # noqa: SIM115 - the child keeps it
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log:
        return start_training([str(train_script), *run.command()], run.folder, env, stdout=log)


def _failure(run: Run, returncode: int) -> str | None:
    """How a training failed, one that ended without an error but before its end included; None if not."""
    if returncode:
        return f"exit {returncode}"
    configs = sorted(run.folder.glob("*/vis_data/config.py"))
    config = configs[-1].read_text(encoding="utf-8", errors="replace") if configs else ""
    unit = "epoch" if run.max_epochs else "iter"
    return missing_at_end(run.folder, run.length, unit=unit, config=config)


def launch_runs(
    runs: Sequence[Run], train_script: str | Path, *, jobs: int = 1, console: Console | None = None
) -> list[Run]:
    """Run what is not finished, ``jobs`` at a time, and return the runs that failed.

    A run that was interrupted goes on from its last checkpoint. What each run prints goes to
    ``output.log`` in its folder; a failed run keeps it and does not stop the others. Progress is a
    live bar per run on a terminal, and a line now and then elsewhere.

    Args:
        runs: see :func:`anl_seg.study.plan_runs`.
        train_script: path of tools/train.py.
        jobs: trainings at a time; each has as many CPU threads as ``OMP_NUM_THREADS``
            says, else its share of the cores.
        console: where progress goes; None = standard output.

    Raises:
        ValueError: ``jobs`` below 1, or a folder with a run of another configuration.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more; got {jobs}.")
    console = console or Console()
    waiting = [run for run in runs if not run.is_finished()]
    if len(waiting) < len(runs):
        console.print(f"{len(runs) - len(waiting)} of {len(runs)} runs are finished already.")
    threads = asked_threads() or max(1, (os.cpu_count() or 1) // jobs)
    active: dict[Run, subprocess.Popen] = {}
    failed: list[Run] = []
    total = len(waiting)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    next_line = time.monotonic() + _LINE_SECONDS
    bars = Progress(*columns, console=console, disable=not console.is_terminal)
    with interrupted_once(), bars as progress:
        tasks = {}
        try:
            while waiting or active:
                while waiting and len(active) < jobs:
                    run = waiting.pop(0)
                    active[run] = _start(run, Path(train_script), threads)
                    tasks[run] = progress.add_task(run.name, total=run.length)
                    if not console.is_terminal:
                        console.print(f"start  {run.name}")
                time.sleep(_POLL_SECONDS)
                for run, process in list(active.items()):
                    progress.update(tasks[run], completed=run.done())
                    if process.poll() is None:
                        continue
                    del active[run]
                    told = _failure(run, process.returncode)
                    if told is None:
                        content = {"digest": run.digest, "command": run.command()}
                        write_json_atomically(run.finished_file, content)
                        progress.update(tasks[run], completed=run.length)
                    else:
                        failed.append(run)
                    ended = len(failed) + sum(r.finished_file.is_file() for r in tasks)
                    state = "done " if told is None else "FAILED"
                    console.print(f"{state}  {run.name}  ({ended} of {total})")
                    if told is not None:
                        console.print(f"        {told}", markup=False, highlight=False)
                if not console.is_terminal and time.monotonic() > next_line:
                    at = [f"{r.label} {r.done()}/{r.length}" for r in active]
                    console.print(f"       {', '.join(at)}")
                    next_line = time.monotonic() + _LINE_SECONDS
        finally:
            for process in active.values():
                ask_to_end(process)
            for run, process in active.items():
                end_training(process, run.folder)
    for run in failed:
        console.print(f"see {run.folder / 'output.log'}")
    return failed
