"""Whether a training that ended without an error did what it was to do. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from anl_seg._files import json_lines
from anl_seg.study.run.checkpoints import log_files

#: A hook that is named as a type, in any way of writing a config.
_STOPS_EARLY = re.compile(r"""type['"]?\s*[=:]\s*['"]?[\w.]*Early_?Stop""", re.IGNORECASE)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _new_lines(folder: Path, before: Collection[Path]) -> list[dict]:
    """What was logged to files that were not there before."""
    return [x for path in log_files(folder) if path not in before for x in json_lines(path)]


def missing_at_end(
    folder: Path, last: int, *, unit: str = "iter", config: str = "", before: Collection[Path] = ()
) -> str | None:
    """What a training that ended with exit 0 lacks, in a sentence that names its folder; None if nothing.

    It must have trained, and have logged the validation at its last iteration (or epoch). A config that has a
    hook which stops early may end before, after a validation.

    Args:
        folder: of the run.
        last: iteration or epoch at which training ends.
        unit: ``iter`` or ``epoch``.
        config: text of the config.
        before: logs of earlier attempts, which say nothing of this one.
    """
    lines = _new_lines(folder, before)
    trained = [x for x in lines if "loss" in x]
    validations = [x for x in lines if "loss" not in x and "time" in x]
    word = "epoch" if unit == "epoch" else "iteration"
    lacking = f"ended with exit 0, but in {folder} there is "
    # Seldom logged iterations may all be missing; an epoch without one has an empty data loader.
    if not trained and (unit == "epoch" or not validations):
        return f"{lacking}no {'iteration' if unit == 'epoch' else word} of training"
    if any(_number(x.get("step")) == last for x in validations):
        return None
    # LoggerHook(log_metric_by_epoch=True) counts all validations of a training by iterations as 0.
    counted = any(_number(x.get("step")) for x in validations)
    if validations and not counted and (folder / f"{unit}_{last}.pth").is_file():
        return None
    if validations and "loss" not in lines[-1] and _STOPS_EARLY.search(config):
        return None
    reached = max((_number(x.get(unit)) for x in trained), default=0)
    reached = max([reached, *(_number(x.get("step")) for x in validations if counted)])
    return f"{lacking}no validation at {word} {last}; it got to {word} {reached}"
