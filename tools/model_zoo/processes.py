"""Trying models, each in a process of its own with a limit of time and of memory."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from tools.model_zoo.train_steps import ModelTrial, Outcome


@dataclass(frozen=True)
class Limits:
    """What one model may take with one loss.

    Attributes:
        seconds: of wall time.
        gigabytes: of data (heap and private mappings), where the system can limit it.
    """

    seconds: float = 180.0
    gigabytes: float = 8.0


def _limit_memory(gigabytes: float) -> None:
    # Not the address space: libraries reserve much of it and use little.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        size = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _child(
    pipe: Connection, model: dict, losses: dict[str, dict], noise: dict, gigabytes: float
) -> None:
    import torch

    torch.set_num_threads(1)
    _limit_memory(gigabytes)
    # What mmseg prints while it builds would run through the progress bar.
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 1)
        os.dup2(devnull.fileno(), 2)
        trial = ModelTrial(model, noise)
        for label, loss in losses.items():
            pipe.send((label, trial.try_loss(loss)))
    pipe.close()


def _context() -> mp.context.BaseContext:
    """Processes that start with the packages already imported, where the system can."""
    if "forkserver" in mp.get_all_start_methods():
        context = mp.get_context("forkserver")
        # The main module too: or each process would read it again, as it is on the disk by then.
        context.set_forkserver_preload(["__main__", "tools.model_zoo.train_steps"])
        return context
    return mp.get_context("spawn")


@dataclass(frozen=True)
class Task:
    """A small model and the losses to try in it.

    Attributes:
        key: of the model.
        model: its config.
        losses: label -> loss config, at least one.
    """

    key: str
    model: dict
    losses: dict[str, dict]


@dataclass
class _Running:
    task: Task
    process: mp.process.BaseProcess
    pipe: Connection
    start: float

    @property
    def current(self) -> str:
        """Label of the loss that is being tried."""
        return next(iter(self.task.losses))

    def rest(self) -> Task | None:
        """What is left once the current loss is done."""
        losses = dict(list(self.task.losses.items())[1:])
        return Task(self.task.key, self.task.model, losses) if losses else None


def _died(exitcode: int | None, limits: Limits) -> Outcome:
    if exitcode is not None and exitcode < 0:
        with contextlib.suppress(ValueError):
            exitcode = signal.Signals(-exitcode).name
    return Outcome(
        "fails", f"died: the process ended with {exitcode} (memory limit {limits.gigabytes:g} GB)"
    )


def _collect(job: _Running, limits: Limits) -> tuple[Outcome | None, bool]:
    """The outcome of the current loss (None = not yet), and whether the process goes on."""
    if job.pipe.poll():
        try:
            return job.pipe.recv()[1], True
        except EOFError:
            job.process.join()
            return _died(job.process.exitcode, limits), False
    if time.monotonic() - job.start > limits.seconds:
        job.process.kill()
        job.process.join()
        return Outcome("fails", f"time limit: not done after {limits.seconds:g} s"), False
    return None, True


def _start(task: Task, noise: dict, limits: Limits, context: mp.context.BaseContext) -> _Running:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_child,
        args=(theirs, task.model, task.losses, noise, limits.gigabytes),
        daemon=True,
    )
    process.start()
    theirs.close()
    return _Running(task, process, ours, time.monotonic())


def run_all(
    tasks: Iterable[Task], noise: dict, *, jobs: int, limits: Limits
) -> Iterator[tuple[str, str, Outcome, float]]:
    """Try models at the same time, each in a process of its own, in which its losses take turns.

    A loss that runs into a limit takes its process with it; those after it get another one.

    Args:
        tasks: models with their losses, for :func:`anl_seg.config.replace_losses`.
        noise: config of the noise on the labels.
        jobs: how many processes at a time.
        limits: of each; the time is that of one loss.

    Yields:
        (key of the model, label of the loss, outcome, seconds) as they are done. Closing the generator
        ends what still runs.
    """
    context, waiting, running = _context(), list(tasks)[::-1], []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(waiting.pop(), noise, limits, context))
            wait([job.pipe for job in running], timeout=0.5)
            for job in list(running):
                outcome, alive = _collect(job, limits)
                if outcome is None:
                    continue
                now = time.monotonic()
                done = (job.task.key, job.current, outcome, now - job.start)
                rest = job.rest()
                if rest is None or not alive:
                    running.remove(job)
                    job.process.join()
                    job.pipe.close()
                    if rest is not None:
                        waiting.append(rest)
                else:
                    job.task, job.start = rest, now
                yield done
    finally:
        for job in running:
            job.process.kill()
            job.process.join()
