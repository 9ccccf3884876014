"""Files: written whole or not at all, read only where they are regular, named only below a folder, locked.

Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import IO, Any

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = ".corrupt-", ".tmp"
_POLL_SECONDS = 0.05
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


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


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of any name as :func:`replace_atomically` does. Missing folders are made.

    A process writes one file of a folder at a time.

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


def remove_leftovers(folder: str | os.PathLike[str]) -> int:
    """Remove what killed processes have left of :func:`write_bytes_atomically`; return how many files."""
    found = list(Path(folder).rglob(f"{_PREFIX}*{_SUFFIX}"))
    for path in found:
        path.unlink()
    return len(found)


def write_json_atomically(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` as strict JSON, as :func:`replace_atomically` writes.

    Args:
        path: the file to write; its folder must exist.
        content: dicts, lists, strings, numbers, None, and numpy values: arrays and scalars become
            lists and numbers, NaN and infinities null.

    Raises:
        TypeError: ``content`` holds anything else.
    """
    text = json.dumps(_plain(content), indent=2, allow_nan=False) + "\n"
    replace_atomically(Path(path), text.encode("utf-8"))


def _plain(value: Any) -> Any:
    """``value`` with numpy types as Python ones, tuples as lists, and NaN and inf as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's, which is not loaded for this
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_value(text: str) -> Any:
    """Read a JSON text in which every integer is one that can be calculated with as a float.

    Raises:
        ValueError, RecursionError: anything else.
    """
    return json.loads(text, parse_int=_integer)


def _integer(text: str) -> int:
    value = int(text)
    try:
        float(value)
    except OverflowError as error:
        raise ValueError(f"an integer of {len(text)} digits") from error
    return value


def json_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines; none where there is no file.

    A line that is being written, or was cut off by a kill, is left out.
    """
    return counted_json_lines(path)[0]


def counted_json_lines(path: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], int]:
    """Return :func:`json_lines`, and how many lines but the last one cannot be read."""
    path = Path(path)
    if not path.is_file():  # nobody waits for a pipe
        return [], 0
    found, broken = [], 0
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            content = json_value(line.decode("utf-8"))
        except (ValueError, RecursionError):  # no UTF-8, no JSON, thousands of digits or brackets
            broken += bool(line.strip()) and number < len(lines)
            continue
        if isinstance(content, dict):
            found.append(content)
    return found, broken


def check_regular_file(path: str | os.PathLike[str], what: str = "file") -> None:
    """Raise an error unless ``path`` is a regular file, or a link to one.

    Args:
        path: the file; it is not opened, as opening a pipe may wait forever.
        what: what errors call it.

    Raises:
        FileNotFoundError: there is none, or it is a link to nothing.
        ValueError: it is a folder, a pipe, a socket or a device.
    """
    path = os.fspath(path)
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


def read_regular_file(path: str | os.PathLike[str], what: str = "file") -> bytes:
    """Return the bytes of a regular file.

    Raises:
        FileNotFoundError, ValueError: see :func:`check_regular_file`.
        OSError: it cannot be read; the text names it.
    """
    check_regular_file(path, what)
    return Path(path).read_bytes()


def check_inside_name(name: object, what: str = "file") -> str:
    """Return a name that leads to a file below a folder, on any system.

    Args:
        name: in posix form, for example ``"train/0.png"``.
        what: what errors call it.

    Raises:
        ValueError: it is no text, empty or absolute, or has ``..`` between its separators, those of
            Windows included.
    """
    if isinstance(name, str) and "\0" not in name:
        parts = PureWindowsPath(name)
        if parts.name and not parts.root and ".." not in parts.parts:
            return name
    raise ValueError(f"{what} {name!r} is no name of a file below the folder.")


def inside(folder: str | os.PathLike[str], name: str, what: str = "file") -> Path:
    """Return the path of a file that lies below a folder, links followed.

    The folder itself may be a link; what it links to is the folder then.

    Raises:
        ValueError: the name or a link leads out of the folder.
    """
    path = Path(folder, check_inside_name(name, what))
    root, real = os.path.realpath(folder), os.path.realpath(path)
    if os.path.commonpath([root, real]) != root or real == root:
        raise ValueError(f"{what} '{path}' leads out of its folder, to '{real}'.")
    return path


def hold(file: int | IO[Any], seconds: float = 0.0) -> bool:
    """Lock an open file or folder for this process and those that inherit it; return whether it did.

    The lock leaves no file and ends with the last process that holds it. Where the system or the file
    system has no locks, nothing is locked, and the answer is True.

    Args:
        file: a descriptor or a file object; closing it gives the lock up.
        seconds: how long to wait for another process that holds it.
    """
    if fcntl is None:
        return True
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        except OSError:  # a file system without locks
            return True
        else:
            return True


@contextlib.contextmanager
def locked(folder: Path, seconds: float = 10.0) -> Iterator[None]:
    """Hold a folder alone; see :func:`hold`.

    Raises:
        ValueError: another process still holds it after so many seconds.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if not hold(handle, seconds):
            raise ValueError(f"another process is writing to '{folder}'.")
        yield
    finally:
        os.close(handle)
