"""Processes of this machine: how many CPUs they have, how they end. Standard library only."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
#: Ctrl-C, ``kill``, a terminal that is closed, Ctrl-\\.
_SIGNAL_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


def cpu_count() -> int:
    """Return the number of CPUs that this process may use; in a container, fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prctl(option: int, value: int) -> None:
    """Call Linux's ``prctl``; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)


def end_with(parent: int) -> None:
    """Have this process end as soon as its parent does, whatever it does then.

    Elsewhere than on Linux only where ``multiprocessing`` started it.

    Args:
        parent: process id of the parent.
    """
    if sys.platform != "linux":
        threading.Thread(target=_outlived, daemon=True).start()
        return
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the line above
        os._exit(1)


def _outlived() -> None:
    """Wait for the parent's end and end with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Within it the first signal that asks to stop is a KeyboardInterrupt, and later ones change nothing.

    So what cleans up after the first is not itself interrupted. A signal that is ignored stays so
    (``nohup``). In other threads than the main one, where no handler can be set, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    before = {}
    for number in (getattr(signal, name) for name in _SIGNAL_NAMES if hasattr(signal, name)):
        # None: a handler that was not set from Python.
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
