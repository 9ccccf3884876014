"""What the names of folders say about the masks in them: training, validation or test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

_TRAIN = {"train", "training", "trainset", "trainval"}
_HELD_OUT = {
    "val",
    "valid",
    "validate",
    "validation",
    "valset",
    "eval",
    "evaluation",
    "test",
    "tests",
    "testing",
    "testset",
}
_MOST_NAMED = 8
#: Files directly in the folder that was named.
TOP = "."


def folder_of(file: str) -> str:
    """The folder that stands for a file: the innermost named after a split, else the outermost.

    Args:
        file: name of a mask below the folder that was corrupted, in posix form.
    """
    folders = PurePosixPath(file).parts[:-1]
    named = [i for i, folder in enumerate(folders) if _words(folder) & (_TRAIN | _HELD_OUT)]
    return "/".join(folders[: (named or [0])[-1] + 1]) or TOP


def counts_by_folder(files: Iterable[str]) -> dict[str, int]:
    """How many files each folder has, see :func:`folder_of`; sorted."""
    counts = Counter(map(folder_of, files))
    return {folder: counts[folder] for folder in sorted(counts)}


def held_out_folders(folders: Iterable[str]) -> list[str]:
    """Those of :func:`folder_of` that are named after validation or test, and not training."""
    found = []
    for folder in folders:
        words = _words(PurePosixPath(folder).name)
        if words & _HELD_OUT and not words & _TRAIN:
            found.append(folder)
    return found


def folders_text(counts: dict[str, int], folders: Sequence[str] | None = None) -> str:
    """Folders with their numbers of masks, for people: ``"train (3 masks), val (1 mask)"``."""
    folders = list(counts) if folders is None else folders
    shown = [
        f"{folder} ({counts[folder]} mask{'' if counts[folder] == 1 else 's'})"
        for folder in folders[:_MOST_NAMED]
    ]
    if len(folders) > _MOST_NAMED:
        shown.append(f"and {len(folders) - _MOST_NAMED} more folders")
    return ", ".join(shown)


def _words(folder: str) -> set[str]:
    """The words of a name, in small letters: ``"gtFine/ValMasks2"`` -> gt, fine, val, masks."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", folder)
    return {word.lower() for word in found}
