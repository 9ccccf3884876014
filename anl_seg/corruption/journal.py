"""Which files an unfinished run has written and from what: a line for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from anl_seg._files import json_lines, naming, write_bytes_atomically
from anl_seg.masks.manifest_file import FILE_NAME, read_manifest

_NAME = ".journal.tmp"


class Journal:
    """The journal of a run, open for more lines; a context manager.

    Args:
        out: the output folder.
        records: entries of the manifest that are known already.
    """

    def __init__(self, out: Path, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self._path = journal_path(out)
        # Written anew: a kill may have cut off the last line.
        text = "".join(map(_line, records))
        write_bytes_atomically(self._path, text.encode("ascii"))
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - closed on exit

    def add(self, record: Mapping[str, Any]) -> None:
        """Note down a file that has been written."""
        # Unbuffered: the system keeps it when the process is killed. A line that a power cut takes
        # costs making one file again.
        with naming(self._path):
            self._file.write(_line(record).encode("ascii"))

    def remove(self) -> None:
        """Remove the journal, once the manifest says all of it."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def journal_path(out: Path) -> Path:
    """Where the journal of an output folder lies."""
    return out / _NAME


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def known_records(out: Path) -> dict[str, dict[str, Any]]:
    """What is known of the files in a folder: from its manifest, or from an unfinished run's journal.

    Returns:
        Entries of the manifest by file.
    """
    manifest, _ = read_manifest(out / FILE_NAME)
    records = manifest.get("files")
    if records is None:
        records = json_lines(journal_path(out))
    return {str(record.get("file")): record for record in records}
