"""Writing a file so that a reader, a crash or a kill never sees half of it."""

from __future__ import annotations

import os
from pathlib import Path


def replace_atomically(path: Path, data: bytes, temporary_name: str | None = None) -> None:
    """Write ``data`` to ``path`` through a temporary file beside it.

    The file at ``path`` is the old one or the new one, never a mixture; a failure leaves the old one
    and no temporary file.

    Args:
        path: the file to write; its folder must exist.
        temporary_name: None: a hidden one after the file and this process.
    """
    temporary = path.with_name(temporary_name or f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
