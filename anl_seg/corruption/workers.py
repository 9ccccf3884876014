"""A function over many items in processes that end with the one that started them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import cv2

from anl_seg._processes import end_with

State = TypeVar("State")
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Items that are handed out before their turn, for each process: so none waits for its next one.
_AHEAD = 2
#: In a worker: the function and its state.
_job: tuple[Callable[[Any, Any], Any], Any]


def unordered(
    function: Callable[[State, Item], Result], state: State, items: Iterable[Item], jobs: int
) -> Generator[Result, None, None]:
    """Yield ``function(state, item)`` for every item, in whatever order they are done.

    Args:
        function: of a module, so that it pickles.
        state: handed to each worker once.
        items: small things that pickle.
        jobs: worker processes; with 1 the work is done in this one.

    Raises:
        ValueError: ``jobs`` below 1.
        RuntimeError: a worker was killed.
        Exception: what the function raised first; the workers end their items and stop.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more; got {jobs}.")
    waiting = iter(items)
    if jobs == 1:
        for item in waiting:
            yield function(state, item)
        return
    first = list(islice(waiting, _AHEAD * jobs))
    if not first:
        return
    # fork is quick and what mmseg's data loaders use on Linux; it is not safe on every other system.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    others = set(multiprocessing.active_children())
    workers: set[BaseProcess] = set()
    running: set[Future[Result]] = set()
    pool = ProcessPoolExecutor(
        min(jobs, len(first)), context, _start, (os.getpid(), function, state)
    )
    try:
        with _one_opencv_thread():  # all workers are started by the first items
            for item in first:
                running.add(pool.submit(_answer, item))
                # At once: the pool is broken, and forgets them, as soon as one of them has died.
                workers |= {*multiprocessing.active_children()} - others
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                running |= {pool.submit(_answer, item) for item in islice(waiting, 1)}
    except BrokenProcessPool:
        pool.shutdown()
        # The pool ends the workers that are left itself, by SIGTERM.
        codes = [w.exitcode for w in workers if w.exitcode not in (0, None, -signal.SIGTERM)]
        raise RuntimeError(
            f"a worker process ended with exit code {codes[0] if codes else 'unknown'} (-9: killed, "
            "perhaps for lack of memory); go on with fewer --jobs and --resume."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Fork with OpenCV's threads stopped: a child that finds traces of them may wait for them forever."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _start(parent: int, function: Callable[[Any, Any], Any], state: Any) -> None:
    """Prepare a worker."""
    global _job
    _job = function, state
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers itself
    end_with(parent)


def _answer(item: Any) -> Any:
    function, state = _job
    try:
        return function(state, item)
    except Exception as error:
        raise _portable(error) from None


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same and passes a pipe."""
    with contextlib.suppress(Exception):
        return pickle.loads(pickle.dumps(error))
    return RuntimeError(
        "".join(traceback.format_exception(type(error), error, error.__traceback__))
    )
