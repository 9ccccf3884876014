"""Whether a checkpoint file is whole, and which one to take instead. Standard library only."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What mmengine's CheckpointHook writes: unit and number.
NAME = re.compile(r"(iter|epoch)_(\d+)\.pth")
_ZIP, _PICKLE = b"PK", b"\x80"
#: Torch stores weights as they are; a file that grows a hundredfold is none of its own.
_MOST_GROWTH = 100
_UNREADABLE = (
    EOFError,
    NotImplementedError,
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


def _zip_damage(path: Path) -> str | None:
    """What is wrong with a zip file."""
    if not zipfile.is_zipfile(path):
        return "it was cut off: the end of the zip file is missing"
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
        # Readers differ in which of two they take.
        name, count = Counter(entry.filename for entry in entries).most_common(1)[0]
        if count > 1:
            return f"its entry {name!r} is in it {count} times"
        size = sum(entry.file_size for entry in entries)
        if size > _MOST_GROWTH * path.stat().st_size:
            return f"it would grow to {size:,} bytes"
        if not any(entry.CRC for entry in entries):
            return None
        bad = file.testzip()
    return None if bad is None else f"its entry {bad!r} does not have its checksum"


def _damage(path: Path) -> str | None:
    """As :func:`damage`; OSError where the file cannot be read."""
    if not path.is_file():  # to open a pipe would wait forever
        path.stat()
        return "it is no regular file"
    try:
        start = _first_bytes(path)
        if not start:
            return "it is empty"
        if start.startswith(_PICKLE):
            return None
        if start != _ZIP:
            return "it is no checkpoint: neither a zip file nor a pickle"
        return _zip_damage(path)
    except _UNREADABLE as error:
        return f"it cannot be read: {error}"


def damage(path: str | Path) -> str | None:
    """What is wrong with a checkpoint file, or None if every entry of it has its checksum.

    A file without checksums (of torch before 1.6, or written with
    ``torch.serialization.set_crc32_options(False)``) can show no damage but a missing end.

    Returns:
        For example ``its entry 'archive/data/3' does not have its checksum``.
    """
    try:
        return _damage(Path(path))
    except OSError as error:
        return f"it cannot be read: {error}"


def is_broken(path: str | Path) -> bool:
    """Whether a file was read and is damaged. One that cannot be read now may be whole."""
    try:
        return _damage(Path(path)) is not None
    except OSError:
        return False


def written_checkpoints(*folders: str | Path) -> list[Path]:
    """The checkpoints that mmengine wrote every so often, the latest first."""
    paths = [p for folder in folders for p in Path(folder).glob("*.pth") if p.is_file()]
    found = [(int(match.group(2)), p) for p in paths if (match := NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found, reverse=True)]


@dataclass(frozen=True)
class ChosenCheckpoint:
    """Where a training goes on.

    Attributes:
        path: the checkpoint; None: from the start.
        passed_over: what was not taken -> why.
    """

    path: str | None
    passed_over: dict[str, str]

    def note(self) -> str | None:
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


def latest_whole(folder: str | Path, *others: str | Path) -> ChosenCheckpoint:
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
        return ChosenCheckpoint(named, {})
    for path in _candidates(folders, passed_over):
        why = damage(path)
        if why is None:
            return ChosenCheckpoint(path, passed_over)
        passed_over[path] = why
    return ChosenCheckpoint(None, passed_over)
