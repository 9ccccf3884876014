"""An attempt on another machine, with or without a file system in common."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

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
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (path.suffix != ".pth" or path.name == last):
                archive.add(path, arcname=path.relative_to(folder).as_posix())
    return buffer.getvalue()


def unpack(archive: bytes, folder: Path) -> None:
    """The files of :func:`pack`, each written as a whole; logs of earlier attempts are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        for member in content:
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.extractfile(member).read()
            if path.name == "output.log":
                with open(path, "ab") as log:
                    log.write(data)
                continue
            if path.name == "last_checkpoint":
                data = str(folder / Path(data.decode().strip()).name).encode()
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_bytes(data)
            temporary.replace(path)


def remote_attempt(job: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    """Train on a node; the outcome, and where the file system is not shared the folder's content."""
    folder = Path(job["folder"])
    if is_shared(folder, job["token"]):
        return run_attempt(job), None
    elsewhere = Path(tempfile.mkdtemp(prefix=f"anl_seg_{folder.name}_"))
    try:
        outcome = run_attempt({**job, "folder": str(elsewhere)})
        return outcome, pack(elsewhere)
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)
