"""Processes that belong to a run. Standard library only; `_child.py` imports it from beside itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

#: In the environment of every process of a run: its folder.
MARK = "ANL_SEG_RUN_FOLDER"
_ROUNDS = 100
_PAUSE_SECONDS = 0.02


def leftovers(folder: str | Path) -> list[int]:
    """Processes on this machine that belong to the run in ``folder`` (Linux; elsewhere none is seen).

    Args:
        folder: absolute, as it was when they were started.
    """
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # gone, or another user's
    return found


def end_leftovers(folder: str | Path) -> None:
    """Kill what belongs to a run, but for this process itself.

    Looks again until nothing is found, as one that is about to be killed may start another.
    """
    for _ in range(_ROUNDS):
        pids = [pid for pid in leftovers(folder) if pid != os.getpid()]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
