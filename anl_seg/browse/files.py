"""Output files that replace nothing by accident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def output_paths(folder: str | Path, names: Sequence[str], *, overwrite: bool) -> list[Path]:
    """The paths of the files to write to ``folder``, which need not be there yet.

    Raises:
        FileExistsError: a file is there already and ``overwrite`` is False, or the folder is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is no folder.")
    paths = [folder / name for name in names]
    existing = [path.name for path in paths if path.exists()]
    if existing and not overwrite:
        raise FileExistsError(
            f"{folder} already holds {' and '.join(existing)}. Give another folder, or --overwrite."
        )
    return paths
