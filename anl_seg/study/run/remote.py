"""An attempt on another machine, with or without a file system in common."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from anl_seg._files import replace_atomically
from anl_seg.study.run.attempt import LOCK_FILE, RUN_FILE, STATE_FILE, run_attempt

#: Written by the runner into the work dir; a node that finds it there shares the file system.
TOKEN_FILE = ".token"
#: The runner's own, which says with them what was asked for and how it ended.
_OF_RUNNER = frozenset([RUN_FILE, STATE_FILE, LOCK_FILE, TOKEN_FILE, "input/config.py"])
#: Each is written through to the disk.
_MOST_FILES = 20_000
#: Bytes of a name and of a path, with room for what a temporary file is called.
_LONGEST_NAME, _LONGEST_PATH = 240, 2000


def is_shared(folder: Path, token: str) -> bool:
    """Whether the work dir of a run is the runner's own, and not just of the same name."""
    try:
        return (folder.parents[1] / TOKEN_FILE).read_text(encoding="utf-8") == token
    except OSError:
        return False


def pack(folder: Path) -> bytes:
    """A run's folder as an archive: of its checkpoints the last one, and nothing that is the runner's."""
    name = folder / "last_checkpoint"
    last = Path(name.read_text(encoding="utf-8").strip()).name if name.is_file() else None
    buffer = io.BytesIO()
    # Links, which `unpack` refuses, as what they point to.
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder).as_posix()
            wanted = inner not in _OF_RUNNER and (path.suffix != ".pth" or path.name == last)
            if wanted and path.is_file():
                archive.add(path, arcname=inner)
    return buffer.getvalue()


class ArchiveError(ValueError):
    """An archive of another machine that is damaged, or that would write where it must not."""


def _target(member: tarfile.TarInfo, folder: Path) -> Path:
    """Where a file of an archive goes.

    Raises:
        ArchiveError: it is no plain file, it would not lie in the folder, or it is the runner's own.
    """
    name = PurePosixPath(member.name)
    # A sparse file may be of any size in an archive of none. GNU's links and devices are no files either.
    if not member.isreg() or member.issparse() or member.size < 0:
        raise ArchiveError(f"{member.name!r} is no plain file")
    longest = max((len(os.fsencode(part)) for part in name.parts), default=0)
    if longest > _LONGEST_NAME or len(os.fsencode(name)) > _LONGEST_PATH:
        raise ArchiveError(f"{member.name[:40]!r}... is too long a name")
    path = folder / name
    outside = name.is_absolute() or ".." in name.parts or name.name == ""
    # A drive, or backslashes where these part folders; and a link that lies in the folder already.
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise ArchiveError(f"{member.name!r} would be written outside the folder of the run")
    if str(name).casefold() in _OF_RUNNER:
        raise ArchiveError(f"{member.name!r} is written by the runner alone")
    if path.exists() and not path.is_file():
        raise ArchiveError(f"{member.name!r} would take the place of what is no file")
    return path


def _targets(content: tarfile.TarFile, folder: Path) -> list[tuple[tarfile.TarInfo, Path]]:
    """Where each file of an archive goes; ArchiveError if one must not, or two need the same place."""
    targets: dict[Path, tarfile.TarInfo] = {}
    for member in content:
        path = _target(member, folder)
        if path in targets:
            raise ArchiveError(f"{member.name!r} is in it twice")
        targets[path] = member
        if len(targets) > _MOST_FILES:
            raise ArchiveError(f"it holds more than {_MOST_FILES:,} files")
    for path, member in targets.items():
        for above in path.parents:
            if above == folder:
                break
            if above in targets or above.is_file():
                raise ArchiveError(f"{member.name!r} lies below a file")
    return [(member, path) for path, member in targets.items()]


def _write(data: bytes, path: Path, folder: Path) -> None:
    """One file of an archive, as a whole; a log is added to that of earlier attempts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "output.log":
        with open(path, "ab") as log:
            log.write(data)
        return
    if path.name == "last_checkpoint":
        name = PurePosixPath(data.decode("utf-8", errors="replace").strip()).name
        data = str(folder / name).encode()
    replace_atomically(path, data, f".{path.name}.tmp")


def unpack(archive: bytes, folder: Path) -> None:
    """The files of :func:`pack`, each written as a whole; logs of earlier attempts are kept.

    All names are looked at before the first file is written. (``tarfile``'s own ``filter="data"`` is
    missing in early versions of Python 3.10 and 3.11, and lets links within the folder pass.)

    Raises:
        ArchiveError: the archive is damaged, or one of its members is no plain file in the
            folder, or one of the runner's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Not "r:*": a compressed archive may be of any size when it is read.
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as content:
            for member, path in _targets(content, folder):
                file = content.extractfile(member)
                if file is not None:
                    _write(file.read(), path, folder)
    except ArchiveError:
        raise
    # Names with a NUL, and headers with numbers that are none or of any size.
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise ArchiveError(f"it cannot be read: {error}") from error


def remote_attempt(job: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    """Train on a node; the outcome, and where the file system is not shared the folder's content."""
    folder = Path(job["folder"])
    if is_shared(folder, job["token"]):
        return run_attempt(job), None
    elsewhere = Path(tempfile.mkdtemp(prefix=f"anl_seg_{folder.name}_"))
    try:
        outcome = run_attempt({**job, "folder": str(elsewhere)})
        for key in ("reason", "note"):
            if outcome.get(key):
                outcome[key] = outcome[key].replace(str(elsewhere), str(folder))
        return outcome, pack(elsewhere)
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)
