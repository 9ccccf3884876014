"""A function over many items in processes that end with the one that started them."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import cv2

from anl_seg._processes import end_with


def unordered(
    function: Callable[[Any, Any], Any], state: Any, items: Iterable[Any], jobs: int
) -> Generator[Any, None, None]:
    """``function(state, item)`` for every item, in whatever order they are done.

    Args:
        function: of a module, so that it pickles.
        state: handed to each worker once.
        items: small things that pickle.
        jobs: worker processes; with 1 the work is done in this one.

    Raises:
        ValueError: ``jobs`` below 1.
        RuntimeError: a worker was killed.
        Exception: what the function raised first; the workers are stopped.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more; got {jobs}.")
    if jobs == 1:
        for item in items:
            yield function(state, item)
        return
    # fork is quick and what mmseg's data loaders use on Linux; it is not safe on every other system.
    forks = sys.platform == "linux"
    context: multiprocessing.context.ForkContext | multiprocessing.context.SpawnContext = (
        multiprocessing.get_context("fork") if forks else multiprocessing.get_context("spawn")
    )
    waiting = iter(items)
    workers: dict[Connection, BaseProcess] = {}
    try:
        with _one_opencv_thread():
            for item in itertools.islice(waiting, jobs):
                ours, theirs = context.Pipe()
                inherited = [*workers, ours] if forks else None
                worker: BaseProcess = context.Process(
                    target=_work,
                    args=(theirs, inherited, os.getpid(), function, state),
                    daemon=True,
                )
                worker.start()
                theirs.close()
                workers[ours] = worker
                ours.send(item)
        while workers:
            ready = wait(list(workers))
            for connection in [one for one in workers if one in ready]:
                yield _answer(connection, workers[connection])
                item = next(waiting, None)
                if item is None:
                    connection.close()
                    workers.pop(connection).join()
                else:
                    connection.send(item)
    finally:
        for connection, worker in workers.items():
            connection.close()
            worker.terminate()
            worker.join()


@contextlib.contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Fork with OpenCV's threads stopped: a child that finds traces of them may wait for them forever."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _answer(connection: Connection, worker: BaseProcess) -> Any:
    try:
        done, value = connection.recv()
    except (EOFError, ConnectionResetError):
        worker.join()
        raise RuntimeError(
            f"a worker process ended with exit code {worker.exitcode} (-9: killed, perhaps for lack of "
            "memory); go on with fewer --jobs and --resume."
        ) from None
    if not done:
        raise value
    return value


def _work(
    connection: Connection,
    inherited: list[Connection] | None,
    parent: int,
    function: Callable[[Any, Any], Any],
    state: Any,
) -> None:
    if inherited is None:
        cv2.setNumThreads(1)
    # Held open here, the parent's ends of the pipes would keep the workers alive without it.
    for other in inherited or ():
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers itself
    end_with(
        parent
    )  # elsewhere than on Linux: when it has finished its item and finds the pipe closed
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        while True:
            item = connection.recv()
            try:
                answer = (True, function(state, item))
            except Exception as error:
                answer = (False, _portable(error))
            connection.send(answer)


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same and passes a pipe."""
    with contextlib.suppress(Exception):
        return pickle.loads(pickle.dumps(error))
    return RuntimeError(
        "".join(traceback.format_exception(type(error), error, error.__traceback__))
    )
