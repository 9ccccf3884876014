"""Names of files out of a file: they may not lead out of the folder that they are meant for."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath


def check_inside_name(name: object, what: str = "file") -> str:
    """Return a name that leads to a file below a folder, on any system.

    Args:
        name: in posix form, for example ``"train/0.png"``.
        what: what errors call it.

    Raises:
        ValueError: it is no text, empty or absolute, or has ``..`` between its separators, those of
            Windows included.
    """
    parts = PureWindowsPath(name) if isinstance(name, str) else None
    if parts is None or "\0" in name or not parts.name or parts.root or ".." in parts.parts:
        raise ValueError(f"{what} {name!r} is no name of a file below the folder.")
    return name


def inside(folder: str | os.PathLike, name: str, what: str = "file") -> Path:
    """The path of a file that lies below a folder, links followed.

    The folder itself may be a link; what it links to is the folder then.

    Raises:
        ValueError: the name or a link leads out of the folder.
    """
    path = Path(folder, check_inside_name(name, what))
    root, real = os.path.realpath(folder), os.path.realpath(path)
    if os.path.commonpath([root, real]) != root or real == root:
        raise ValueError(f"{what} '{path}' leads out of its folder, to '{real}'.")
    return path
