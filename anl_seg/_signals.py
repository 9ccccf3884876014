"""Signals that ask a program to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Ctrl-C, ``kill``, a terminal that is closed, Ctrl-\\.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


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
    for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
        # None: a handler that was not set from Python.
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
