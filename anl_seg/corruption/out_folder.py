"""The folder that is written to, and whether it is still the one that it was."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_MOST_NAMED = 5


class OutFolder(NamedTuple):
    """An output folder while it is in use.

    Attributes:
        path: where it lies.
        identity: its device and number there: another folder under the same name has others, as
            long as this one is held open.
    """

    path: Path
    identity: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> OutFolder:
        """The folder that lies there now."""
        return cls(path, _identity(path))

    def check(self) -> None:
        """Raise an OSError if the folder was deleted, moved or replaced since."""
        try:
            same = _identity(self.path) == self.identity
        except OSError:
            same = False
        if not same:
            raise OSError(
                f"the output folder '{self.path}' was deleted, moved or replaced while it was written to."
            )

    def check_files(self, sizes: Iterable[tuple[str, int]]) -> None:
        """Raise an OSError unless all files are there, regular and as long as they were written.

        Args:
            sizes: names below the folder with lengths in bytes.
        """
        self.check()
        sizes = list(sizes)
        lost = [name for name, size in sizes if not self._holds(name, size)]
        if lost:
            more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
            raise OSError(
                f"{len(lost)} of {len(sizes)} masks in '{self.path}' were deleted or changed by others "
                f"while it was written to: {', '.join(lost[:_MOST_NAMED])}{more}; go on with --resume."
            )

    def _holds(self, name: str, size: int) -> bool:
        path = self.path / name
        try:
            return path.is_file() and path.stat().st_size == size
        except OSError:
            return False


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
