"""Trying models, each in a process of its own with a limit of time and of memory."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from anl_seg.zoo.train_steps import Outcome, try_model


@dataclass(frozen=True)
class Limits:
    """What one model may take.

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


def _child(pipe: Connection, model: dict, loss: dict, noise: dict, gigabytes: float) -> None:
    import torch

    torch.set_num_threads(1)
    _limit_memory(gigabytes)
    # What mmseg prints while it builds would run through the progress bar.
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 1)
        os.dup2(devnull.fileno(), 2)
        outcome = try_model(model, loss, noise)
    pipe.send(outcome)
    pipe.close()


def _context() -> mp.context.BaseContext:
    """Processes that start with the packages already imported, where the system can."""
    if "forkserver" in mp.get_all_start_methods():
        context = mp.get_context("forkserver")
        # The main module too: or each process would read it again, as it is on the disk by then.
        context.set_forkserver_preload(["__main__", "anl_seg.zoo.train_steps"])
        return context
    return mp.get_context("spawn")


@dataclass
class _Running:
    key: str
    process: mp.process.BaseProcess
    pipe: Connection
    start: float


def _died(exitcode: int | None, limits: Limits) -> Outcome:
    if exitcode is not None and exitcode < 0:
        with contextlib.suppress(ValueError):
            exitcode = signal.Signals(-exitcode).name
    return Outcome(
        "fails", f"died: the process ended with {exitcode} (memory limit {limits.gigabytes:g} GB)"
    )


def _collect(job: _Running, limits: Limits) -> Outcome | None:
    """The outcome of a process that has one or is over its time, else None."""
    if job.pipe.poll():
        try:
            outcome = job.pipe.recv()
        except EOFError:
            job.process.join()
            return _died(job.process.exitcode, limits)
        job.process.join()
        return outcome
    if time.monotonic() - job.start > limits.seconds:
        job.process.kill()
        job.process.join()
        return Outcome("fails", f"time limit: not done after {limits.seconds:g} s")
    return None


def run_all(
    models: Mapping[str, dict], loss: dict, noise: dict, *, jobs: int, limits: Limits
) -> Iterator[tuple[str, Outcome, float]]:
    """Try models at the same time, each in a process of its own.

    Args:
        models: key -> shrunk model.
        loss: config for :func:`anl_seg.config.replace_losses`.
        noise: config of the noise on the labels.
        jobs: how many processes at a time.
        limits: of each.

    Yields:
        (key, outcome, seconds) as they are done. Closing the generator ends what still runs.
    """
    context, waiting, running = _context(), list(models.items())[::-1], []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                key, model = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(
                    target=_child, args=(theirs, model, loss, noise, limits.gigabytes), daemon=True
                )
                process.start()
                theirs.close()
                running.append(_Running(key, process, ours, time.monotonic()))
            wait([job.pipe for job in running], timeout=0.5)
            for job in list(running):
                outcome = _collect(job, limits)
                if outcome is not None:
                    running.remove(job)
                    job.pipe.close()
                    yield job.key, outcome, time.monotonic() - job.start
    finally:
        for job in running:
            job.process.kill()
            job.process.join()
