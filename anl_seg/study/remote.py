"""An attempt on another machine, with or without a file system in common."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from anl_seg._atomic import replace_atomically
from anl_seg.study.attempt import run_attempt

#: Written by the runner into the work dir; a node that finds it there shares the file system.
TOKEN_FILE = ".token"


def is_shared(folder: Path, token: str) -> bool:
    """Whether the work dir of a run is the runner's own, and not just of the same name."""
    try:
        return (folder.parents[1] / TOKEN_FILE).read_text(encoding="utf-8") == token
    except OSError:
        return False


def pack(folder: Path) -> bytes:
    """A run's folder as an archive, of its checkpoints the last one only."""
    name = folder / "last_checkpoint"
    last = Path(name.read_text(encoding="utf-8").strip()).name if name.is_file() else None
    buffer = io.BytesIO()
    # Links, which `unpack` refuses, as what they point to.
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (path.suffix != ".pth" or path.name == last):
                archive.add(path, arcname=path.relative_to(folder).as_posix())
    return buffer.getvalue()


class ArchiveError(ValueError):
    """An archive of another machine that is damaged, or that would write where it must not."""


def _target(member: tarfile.TarInfo, folder: Path) -> Path:
    """Where a file of an archive goes.

    Raises:
        ArchiveError: it is no plain file, or it would not lie in the folder.
    """
    name = PurePosixPath(member.name)
    # A sparse file may be of any size in an archive of none. GNU's links and devices are no files either.
    if not member.isreg() or member.issparse():
        raise ArchiveError(f"{member.name!r} is no plain file")
    path = folder / name
    outside = name.is_absolute() or ".." in name.parts or name.name == ""
    # A drive, or backslashes where these part folders; and a link that lies in the folder already.
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise ArchiveError(f"{member.name!r} would be written outside the folder of the run")
    return path


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
        ArchiveError: the archive is damaged, or one of its members is no plain file in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Not "r:*": a compressed archive may be of any size when it is read.
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as content:
            targets = [(member, _target(member, folder)) for member in content.getmembers()]
            for member, path in targets:
                _write(content.extractfile(member).read(), path, folder)
    except tarfile.TarError as error:
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
