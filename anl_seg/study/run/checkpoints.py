"""The checkpoint that a run can go on from after a kill at any moment. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from anl_seg._checkpoint_files import (
    NAME,
    ChosenCheckpoint,
    damage,
    is_broken,
    is_old_format,
    written_checkpoints,
)
from anl_seg._files import json_lines, replace_atomically


def log_files(folder: Path) -> list[Path]:
    """mmengine's logs, one of each attempt, in their order."""
    return sorted(folder.glob("*/vis_data/scalars.json"))


def log_lines(folder: Path) -> Iterator[dict]:
    """What mmengine logged, all attempts; what is no whole line of it is left out."""
    for path in log_files(folder):
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


def checkpoint_number(path: Path) -> int:
    """The iteration or epoch of a checkpoint, by its name.

    Raises:
        ValueError: it is called otherwise.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is no name of a checkpoint.")
    return int(match.group(2))


def _is_complete(path: Path, last: int, lines: list[dict]) -> bool:
    """Whether all that belongs to a checkpoint was logged."""
    unit, number = path.name.split("_")[0], checkpoint_number(path)
    # A training line has its iteration (and epoch) beside its loss; a validation `step` and times.
    validated = any("loss" not in x and "time" in x and x.get("step") == number for x in lines)
    after = any("loss" in x and x.get(unit, 0) > number for x in lines)
    return validated and (after or number == last)


def choose_checkpoint(folder: Path, last: int) -> ChosenCheckpoint:
    """The latest checkpoint after which nothing is missing, and the damaged ones that were passed over.

    mmengine writes a checkpoint in place, and validates after it: a kill may leave half a file, or a
    whole one without the validation (and the measurements of hooks) at it, which a resumed run does not
    make up for. So a checkpoint counts if every entry of the file has its checksum, the validation at it
    was logged, and, unless it is the last one, training was logged after it.

    Args:
        folder: of the run.
        last: iteration or epoch at which training ends.
    """
    lines = list(log_lines(folder))
    passed_over: dict[str, str] = {}
    for path in written_checkpoints(folder):
        if not _is_complete(path, last, lines):
            continue
        # mmengine writes none in the old format, in which no damage is seen.
        why = "it has no checksums" if is_old_format(path) else damage(path)
        if why is None:
            return ChosenCheckpoint(str(path), passed_over)
        passed_over[str(path)] = why
    return ChosenCheckpoint(None, passed_over)


def remove_broken(folder: Path) -> None:
    """Remove checkpoints that were not written to their end: on a full disk they take the room that the
    state of the run needs."""
    for path in folder.glob("*.pth"):
        if path.is_file() and not path.is_symlink() and is_broken(path):
            path.unlink(missing_ok=True)


def name_last_checkpoint(folder: Path, checkpoint: Path | None) -> None:
    """Write mmengine's ``last_checkpoint`` as a whole, or remove it where there is none."""
    path = folder / "last_checkpoint"
    if checkpoint is None:
        path.unlink(missing_ok=True)
        return
    replace_atomically(path, str(checkpoint).encode("utf-8"))
