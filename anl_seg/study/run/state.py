"""What lies in the folders of a study: its plan, and the state of each run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anl_seg._files import json_value, write_json_atomically
from anl_seg.study.plan_form import wrong_plan
from anl_seg.study.run.attempt import LOCK_FILE, STATE_FILE, is_locked

PLAN_FILE = "study.json"
#: The status of a run whose state cannot be read.
DAMAGED = "damaged"
#: In the work dir, held by the runner.
RUNNER_LOCK = "runner.lock"


def _read_json(path: Path) -> Any:
    try:
        return json_value(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
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
    plan = _read_json(path)
    if wrong := wrong_plan(plan):
        raise ValueError(
            f"{path} is no plan of a study: {wrong}; plan it again (noise_study.py plan)."
        )
    return plan


def read_state(folder: str | Path) -> dict:
    """Content of a run's ``state.json``; of one that was never started, status None and no attempts.

    Raises:
        ValueError: a file that cannot be read.
    """
    path = Path(folder) / STATE_FILE
    if not path.is_file():
        return {"status": None, "attempts": [], "reason": None}
    state = _read_json(path)
    if wrong := _wrong_state(state):
        raise ValueError(f"{path} is no state of a run: {wrong}.")
    return {"reason": None, **state}


def _wrong_state(state: Any) -> str | None:
    """What is wrong with a state, in words."""
    if not isinstance(state, dict):
        return f"it holds a {type(state).__name__}"
    if "status" not in state or not isinstance(state["status"], (str, type(None))):
        return f"its status is {state.get('status', 'missing')!r}"
    attempts = state.get("attempts")
    if not isinstance(attempts, list) or not all(isinstance(a, dict) for a in attempts):
        return "it has no list of attempts"
    if not isinstance(state.get("reason"), (str, type(None))):
        return f"its reason is {state['reason']!r}"
    if not all(isinstance(a.get("seconds"), (int, float, type(None))) for a in attempts):
        return "an attempt has no number of seconds"
    return None


def known_state(folder: str | Path) -> dict:
    """:func:`read_state`; of a file that cannot be read the status ``damaged``, and why as its reason.

    One bad file must not keep the other runs from going on: such a run goes on from its checkpoint.
    """
    try:
        return read_state(folder)
    except ValueError as error:
        return {"status": DAMAGED, "attempts": [], "reason": str(error)}


def write_state(folder: str | Path, state: dict) -> None:
    """Replace a run's ``state.json`` as a whole."""
    write_json_atomically(Path(folder) / STATE_FILE, state)


def run_status(folder: str | Path) -> str:
    """``planned``, ``running``, ``interrupted`` (nothing runs, the next ``run`` goes on), ``finished``,
    ``failed``, or ``damaged`` (its state cannot be read, the next ``run`` goes on)."""
    folder, state = Path(folder), known_state(folder)
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
