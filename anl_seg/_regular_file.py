"""Reading files of which only the name is known: nobody waits for a pipe, and it is named."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular_file(path: str | os.PathLike, what: str = "file") -> None:
    """Raise an error unless ``path`` is a regular file, or a link to one.

    Args:
        path: the file; it is not opened, as opening a pipe may wait forever.
        what: what errors call it.

    Raises:
        FileNotFoundError: there is none, or it is a link to nothing.
        ValueError: it is a folder, a pipe, a socket or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            raise FileNotFoundError(
                f"{what} '{path}' is a link to '{os.readlink(path)}', which does not exist."
            ) from None
        raise FileNotFoundError(f"{what} '{path}' does not exist.") from None
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "of another kind")
        raise ValueError(f"{what} '{path}' is no regular file but {kind}.")


def read_regular_file(path: str | os.PathLike, what: str = "file") -> bytes:
    """The bytes of a regular file.

    Raises:
        FileNotFoundError, ValueError: see :func:`check_regular_file`.
        OSError: it cannot be read; the text names it.
    """
    check_regular_file(path, what)
    return Path(path).read_bytes()
