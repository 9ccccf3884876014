"""A runner in a process of its own, for tests that kill it: ``kill_driver.py WORK_DIR JOBS``."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

# Run as a script, so from its own folder: a package named `tests` may be installed beside this one.
from study_helpers import FAKE_TRAIN, runs_to_kill

from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.runner import run_study

if __name__ == "__main__":
    work_dir = Path(sys.argv[1])
    outcome = run_study(
        runs_to_kill(work_dir),
        LocalExecutor(int(sys.argv[2]), gpus=[]),
        work_dir,
        retries=1000,
        console=Console(file=sys.stdout, width=200),
        train_script=FAKE_TRAIN,
    )
    sys.exit(1 if outcome.failed else 0)
