"""A runner in a process of its own, for tests that kill it: ``kill_driver.py WORK_DIR JOBS``."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from anl_seg.study.executors import LocalExecutor
from anl_seg.study.runner import run_study
from tests.study.study_helpers import FAKE_TRAIN, fake_run

RUNS = 4


def runs(work_dir: Path) -> list:
    return [fake_run(work_dir, f"run{s}", s, iterations=40, seconds=0.05) for s in range(RUNS)]


if __name__ == "__main__":
    work_dir = Path(sys.argv[1])
    outcome = run_study(
        runs(work_dir),
        LocalExecutor(int(sys.argv[2]), gpus=[]),
        work_dir,
        retries=1000,
        console=Console(file=sys.stdout, width=200),
        train_script=FAKE_TRAIN,
    )
    sys.exit(1 if outcome.failed else 0)
