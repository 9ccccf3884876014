"""Reading what a run left in its folder."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from anl_seg.engine.hooks.memorization_hook import FILE_NAME as MEMORIZATION_FILE
from anl_seg.study.run.checkpoints import log_lines


@dataclass(frozen=True)
class RunResult:
    """What a finished run measured.

    Attributes:
        validations: step -> metrics of that validation.
        memorization: last record of ``memorization.json``.
    """

    validations: dict[int, dict[str, float]]
    memorization: dict

    def final(self, metric: str) -> float:
        """Value at the last validation."""
        return self.validations[max(self.validations)][metric]

    def best(self, metric: str) -> float:
        """Highest value of all validations; NaN where none has a number."""
        values = [v[metric] for v in self.validations.values()]
        return max((value for value in values if math.isfinite(value)), default=math.nan)


def collect_run(folder: str | Path, metric: str) -> RunResult:
    """Read a finished run.

    Args:
        folder: its work dir.
        metric: a metric that every validation has, for example ``mDice.fg``.

    Raises:
        FileNotFoundError: no validation or no memorisation record there.
    """
    folder = Path(folder)
    validations = {line["step"]: line for line in log_lines(folder) if metric in line}
    if not validations:
        raise FileNotFoundError(f"no validation with {metric!r} in {folder}.")
    path = folder / MEMORIZATION_FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {MEMORIZATION_FILE} in {folder}.")
    return RunResult(validations, json.loads(path.read_text(encoding="utf-8"))[-1])
