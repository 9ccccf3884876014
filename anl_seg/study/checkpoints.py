"""The checkpoint that a run can go on from after a kill at any moment. Standard library only."""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from anl_seg._json_lines import json_lines

#: Where mmengine logs, below the folder of an attempt.
SCALARS = "vis_data/scalars.json"
_NAME = re.compile(r"(iter|epoch)_(\d+)\.pth")


def log_lines(folder: Path) -> Iterator[dict]:
    """What mmengine logged, all attempts; what is no whole line of it is left out."""
    for path in sorted(folder.glob(f"*/{SCALARS}")):
        try:
            yield from (line for line in json_lines(path) if is_log_line(line))
        except OSError:
            continue


def is_log_line(line: dict) -> bool:
    """Whether steps, iterations and epochs of a line are numbers."""
    return all(
        isinstance(line[key], (int, float)) and math.isfinite(line[key])
        for key in ("step", "iter", "epoch")
        if key in line
    )


def progress(folder: Path, unit: str = "iter") -> int:
    """Iterations (or epochs, ``unit='epoch'``) that a run has logged; 0 if none."""
    key = "epoch" if unit == "epoch" else "iter"
    return max((int(line[key]) for line in log_lines(folder) if key in line), default=0)


def _is_whole(path: Path) -> bool:
    """Whether a checkpoint was written to its end: that of a zip file holds its directory."""
    try:
        return zipfile.is_zipfile(path)
    except OSError:
        return False


def resumable_checkpoint(folder: Path, last: int) -> Path | None:
    """The latest checkpoint after which nothing is missing; None to start anew.

    mmengine writes a checkpoint in place, and validates after it: a kill may leave half a file, or a
    whole one without the validation (and the measurements of hooks) at it, which a resumed run does not
    make up for. So a checkpoint counts if the file is whole, the validation at it was logged, and, unless
    it is the last one, training was logged after it.

    Args:
        folder: of the run.
        last: iteration or epoch at which training ends.
    """
    lines = list(log_lines(folder))
    found = []
    for path in folder.glob("*.pth"):
        match = _NAME.fullmatch(path.name)
        if not match:
            continue
        unit, number = match.group(1), int(match.group(2))
        # A training line has its iteration (and epoch) beside its loss; a validation `step` and times.
        validated = any("loss" not in x and "time" in x and x.get("step") == number for x in lines)
        after = any("loss" in x and x.get(unit, 0) > number for x in lines)
        if validated and (after or number == last) and _is_whole(path):
            found.append((number, path))
    return max(found)[1] if found else None


def remove_broken(folder: Path) -> None:
    """Remove checkpoints that were not written to their end: on a full disk they take the room that the
    state of the run needs."""
    for path in folder.glob("*.pth"):
        if not _is_whole(path):
            path.unlink(missing_ok=True)


def name_last_checkpoint(folder: Path, checkpoint: Path | None) -> None:
    """Write mmengine's ``last_checkpoint`` as a whole, or remove it where there is none."""
    path = folder / "last_checkpoint"
    if checkpoint is None:
        path.unlink(missing_ok=True)
        return
    temporary = folder / ".last_checkpoint.tmp"
    temporary.write_text(str(checkpoint), encoding="utf-8")
    os.replace(temporary, path)
