"""What lies in the folders of a study: its plan, and the state of each run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anl_seg.engine._atomic import write_json_atomically
from anl_seg.study.attempt import LOCK_FILE, is_locked

PLAN_FILE = "study.json"
RUN_FILE = "run.json"
STATE_FILE = "state.json"
#: In the work dir, held by the runner.
RUNNER_LOCK = "runner.lock"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file: {error}.") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error


def read_plan(work_dir: str | Path) -> dict:
    """Content of a study's ``study.json``.

    Raises:
        FileNotFoundError: nothing was planned there.
        ValueError: a file that cannot be read.
    """
    path = Path(work_dir) / PLAN_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"no {PLAN_FILE} in {work_dir}: plan the study there first (noise_study.py plan)."
        )
    return _read_json(path)


def read_state(folder: str | Path) -> dict:
    """Content of a run's ``state.json``; of one that was never started, status None and no attempts.

    Raises:
        ValueError: a file that cannot be read.
    """
    path = Path(folder) / STATE_FILE
    if not path.is_file():
        return {"status": None, "attempts": [], "reason": None}
    return _read_json(path)


def write_state(folder: str | Path, state: dict) -> None:
    """Replace a run's ``state.json`` as a whole."""
    write_json_atomically(Path(folder) / STATE_FILE, state)


def told_status(folder: str | Path) -> str:
    """``planned``, ``running``, ``interrupted`` (nothing runs, the next ``run`` goes on), ``finished``
    or ``failed``."""
    folder, state = Path(folder), read_state(folder)
    status = state["status"]
    if status is None:
        return "planned"
    if status != "running" or is_locked(folder / LOCK_FILE):
        return status
    # A node of a cluster may hold a lock that is not seen here; then the runner that waits for it is.
    under_way = state["attempts"] and "ended" not in state["attempts"][-1]
    if under_way and is_locked(folder.parents[1] / RUNNER_LOCK):
        return status
    return "interrupted"


def check_work_dir(work_dir: str | Path) -> Path:
    """Make the folder of a study and try to write and read there.

    Raises:
        ValueError: that is not possible; the reason is given.
    """
    folder = Path(work_dir).absolute()
    probe = folder / ".probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("probe")
        probe.read_text()
        probe.unlink()
        list(folder.iterdir())
    except OSError as error:
        raise ValueError(
            f"the work dir {folder} cannot be used: {error.strerror} ({error.filename})."
        ) from error
    return folder
