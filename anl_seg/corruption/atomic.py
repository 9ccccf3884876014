"""Writing files so that a kill leaves whole files only, and clearing up what it leaves beside them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from anl_seg._atomic import replace_atomically

_PREFIX, _SUFFIX = ".corrupt-", ".tmp"


def write_bytes_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write a file through a temporary one beside it; there is the old file or the new one.

    A process writes one file at a time. Missing folders are made.

    Raises:
        OSError: a full disk, a folder that is read-only, and the like; the file is named.
    """
    path = Path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not after the file's name: with it, a long one would be too long.
        replace_atomically(path, data, f"{_PREFIX}{os.getpid()}{_SUFFIX}")


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an error of writing it: others name none, or a temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(f"'{path}' cannot be written: {error.strerror or error}.") from error


def remove_leftovers(folder: str | os.PathLike) -> int:
    """Remove the temporary files that killed processes have left below a folder; how many."""
    found = list(Path(folder).rglob(f"{_PREFIX}*{_SUFFIX}"))
    for path in found:
        path.unlink()
    return len(found)
