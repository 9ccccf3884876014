"""One process at a time in an output folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def locked(folder: Path, seconds: float = 10.0) -> Iterator[None]:
    """Hold a folder alone; forked workers hold it too, so that it is free once the last one has ended.

    The lock leaves no file and ends with the processes. Where the system has none, nothing is locked.

    Raises:
        ValueError: another process still holds it after so many seconds.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ValueError(f"another process is writing to '{folder}'.") from None
                time.sleep(_POLL_SECONDS)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(handle)
