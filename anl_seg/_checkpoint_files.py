"""Whether a checkpoint file is whole, and which one to take instead. Standard library only."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What mmengine's CheckpointHook writes: unit and number.
NAME = re.compile(r"(iter|epoch)_(\d+)\.pth")
_ZIP, _PICKLE = b"PK", b"\x80"
_UNREADABLE = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(2)


def is_old_format(path: str | Path) -> bool:
    """Whether a file is in torch's format of before 1.6, a bare pickle: it has no checksums."""
    try:
        return _first_bytes(Path(path)).startswith(_PICKLE)
    except OSError:
        return False


def damage(path: str | Path) -> str | None:
    """What is wrong with a checkpoint file, or None if every entry of it has its checksum.

    A file without checksums (of torch before 1.6, or written with
    ``torch.serialization.set_crc32_options(False)``) can show no damage but a missing end.

    Returns:
        For example ``its entry 'archive/data/3' does not have its checksum``.
    """
    path = Path(path)
    try:
        start = _first_bytes(path)
        if not start:
            return "it is empty"
        if start.startswith(_PICKLE):
            return None
        if start != _ZIP:
            return "it is no checkpoint: neither a zip file nor a pickle"
        if not zipfile.is_zipfile(path):
            return "it was cut off: the end of the zip file is missing"
        with zipfile.ZipFile(path) as file:
            if not any(entry.CRC for entry in file.infolist()):
                return None
            bad = file.testzip()
    except _UNREADABLE as error:
        return f"it cannot be read: {error}"
    return None if bad is None else f"its entry {bad!r} does not have its checksum"


def written_checkpoints(*folders: str | Path) -> list[Path]:
    """The checkpoints that mmengine wrote every so often, the latest first."""
    paths = [path for folder in folders for path in Path(folder).glob("*.pth")]
    found = [(int(match.group(2)), p) for p in paths if (match := NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found, reverse=True)]


@dataclass(frozen=True)
class Choice:
    """Where a training goes on.

    Attributes:
        path: the checkpoint; None: from the start.
        passed_over: what was not taken -> why.
    """

    path: str | None
    passed_over: dict[str, str]

    def told(self) -> str | None:
        """One line that names all files; None where nothing was passed over."""
        if not self.passed_over:
            return None
        over = "; ".join(f"{path} is not resumed: {why}" for path, why in self.passed_over.items())
        return f"{over}; {f'going on from {self.path}' if self.path else 'starting anew'}."


def _named(folder: Path) -> str | None:
    """What mmengine's ``last_checkpoint`` says."""
    try:
        text = (folder / "last_checkpoint").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.strip() or None


def _candidates(folders: tuple[Path, ...], passed_over: dict[str, str]) -> Iterator[str]:
    named = _named(folders[0])
    written = written_checkpoints(*folders)
    if named is not None:
        # A folder may have been moved or copied: what it holds itself comes first.
        own = [folder / Path(named).name for folder in folders]
        found = next((path for path in own if path.is_file()), None)
        if found is None:
            passed_over[named] = "last_checkpoint names it, and it is not there"
        else:
            yield str(found)
            if found in written:
                written = written[written.index(found) + 1 :]
    yield from map(str, written)


def latest_whole(folder: str | Path, *others: str | Path) -> Choice:
    """The checkpoint that ``last_checkpoint`` names in a folder, or the latest older one that is whole.

    Without ``last_checkpoint`` (or where it names none in these folders) the latest whole one there.
    An address (``s3://...``) is taken as it is.

    Args:
        folder: that of ``last_checkpoint``.
        others: where checkpoints may be beside it.
    """
    folders = tuple(map(Path, (folder, *others)))
    passed_over: dict[str, str] = {}
    named = _named(folders[0])
    if named is not None and "://" in named:
        return Choice(named, {})
    for path in _candidates(folders, passed_over):
        why = damage(path)
        if why is None:
            return Choice(path, passed_over)
        passed_over[path] = why
    return Choice(None, passed_over)
