"""One attempt at a training: in its folder, alone there, watched to its end.

Standard library only, as executors run this on machines and in processes that load nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from anl_seg._files import hold, replace_atomically
from anl_seg.study.run.checkpoints import (
    checkpoint_number,
    choose_checkpoint,
    log_files,
    name_last_checkpoint,
    remove_broken,
)
from anl_seg.study.run.completion import missing_at_end
from anl_seg.study.run.leftovers import end_leftovers
from anl_seg.study.run.reasons import failure_reason, os_reason
from anl_seg.study.run.training_process import end_training, start_training

LOCK_FILE = "run.lock"
LOG_FILE = "output.log"
RUN_FILE = "run.json"
STATE_FILE = "state.json"
_TAIL_LINES = 200
_POLL_SECONDS = 0.1
_ROOT = Path(__file__).parents[3]


def is_locked(path: Path) -> bool:
    """Whether a process, on this machine or another with the same file system, holds a lock."""
    try:
        with open(path, "rb+") as file:
            return not hold(file)
    except OSError:
        return False


def _acquire(path: Path, seconds: float) -> int | None:
    """A descriptor that holds the lock, or None if another process keeps it so long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if hold(descriptor, seconds):
        return descriptor
    os.close(descriptor)
    return None


def write_input(folder: Path, config: str) -> Path:
    """The config of the run. In a folder of its own, as mmengine writes one of the same name."""
    path = folder / "input" / "config.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != config:
        replace_atomically(path, config.encode("utf-8"))
    return path


def _command(job: dict[str, Any], config: Path, checkpoint: Path | None) -> list[str]:
    """The arguments of Python for a training."""
    script, launcher = job.get("train_script"), job.get("launcher", "none")
    train = ["-m", "anl_seg.cli.train"] if script is None else [script]
    if launcher == "pytorch":
        processes = job.get("nproc_per_run", 1)
        start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        train = [*start, *train]
    train += [str(config), f"--work-dir={job['folder']}", *job.get("train_arguments", [])]
    if checkpoint is not None:
        train.append(f"--resume={checkpoint}")
    return train if launcher == "none" else [*train, f"--launcher={launcher}"]


def _environment(job: dict[str, Any]) -> dict[str, str]:
    threads = str(job["threads"])
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "PYTHONPATH": path,
        **job.get("environment", {}),
    }


def _pump(stream: Any, log: Any, tail: deque[str]) -> None:
    """Copy what the training prints to its log; a full disk does not stop it."""
    for line in stream:
        tail.append(line.decode(errors="replace").rstrip("\n"))
        _write_log(log, line)


def _write_log(log: Any, line: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):
        log.write(line)
        log.flush()


def _watch(process: subprocess.Popen, folder: Path, stop: threading.Event | None) -> bool:
    """Wait for the process; True if it was ended because ``stop`` was set."""
    stopped = False
    while process.poll() is None and not stopped:
        if stop is not None and stop.is_set():
            end_training(process, folder)
            stopped = True
        else:
            time.sleep(_POLL_SECONDS)
    end_leftovers(folder)
    return stopped


def _device(folder: Path, started: float) -> str | None:
    """The device that this attempt's training wrote down, if it came so far."""
    path = folder / "environment.json"
    try:
        if path.stat().st_mtime < started:
            return None
        return json.loads(path.read_text(encoding="utf-8"))["device"]
    except (OSError, ValueError, KeyError):
        return None


def _train(job: dict[str, Any], folder: Path, lock: int, stop: threading.Event | None) -> dict:
    last, unit = job["last"], job.get("unit", "iter")
    choice = choose_checkpoint(folder, last)
    checkpoint = None if choice.path is None else Path(choice.path)
    name_last_checkpoint(folder, checkpoint)
    before = log_files(folder)
    command = _command(job, write_input(folder, job["config"]), checkpoint)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with open(folder / LOG_FILE, "ab", buffering=0) as log:
        note = choice.note()
        if note is not None:
            _write_log(log, f"{note}\n".encode())
        process = start_training(
            command, folder, _environment(job), stdout=subprocess.PIPE, pass_fds=[lock]
        )
        reader = threading.Thread(target=_pump, args=(process.stdout, log, tail), daemon=True)
        reader.start()
        stopped = _watch(process, folder, stop)
        reader.join(5.0)
        if not reader.is_alive() and process.stdout is not None:
            process.stdout.close()
    if stopped:
        reason = "stopped with the runner"
    elif (
        process.returncode == 0 and checkpoint is not None and checkpoint_number(checkpoint) == last
    ):
        reason = None  # it was at its end before
    elif process.returncode == 0:
        reason = missing_at_end(folder, last, unit=unit, config=job["config"], before=before)
    else:
        reason = failure_reason(process.returncode, list(tail), folder)
        remove_broken(folder)
    outcome = {"returncode": process.returncode, "stopped": stopped, "reason": reason}
    return outcome if note is None else {**outcome, "note": note}


def run_attempt(job: dict[str, Any], stop: threading.Event | None = None) -> dict[str, Any]:
    """Train in a folder, from its last usable checkpoint on, and say how it ended.

    What an earlier runner left running there is killed first; nothing is started while the folder's lock
    is held by another machine. The training and its workers hold the lock, and die with this process.

    Args:
        job: ``folder`` (absolute), ``config`` (text), ``last`` (iteration or epoch at which training
            ends), ``threads``; optional ``unit`` of ``last`` (``iter`` or ``epoch``), ``launcher``,
            ``nproc_per_run``, ``environment``, ``train_script`` (None = ``anl_seg.cli.train``),
            ``train_arguments``, ``lock_seconds``.
        stop: ends the training when set.

    Returns:
        ``started``, ``ended`` (seconds since the epoch), ``seconds``, ``returncode``, ``reason`` (None if
        it ended well), ``stopped``, ``host``, ``device``, ``threads``; ``note`` where a damaged checkpoint
        was passed over.
    """
    folder, started = Path(job["folder"]), time.time()
    outcome: dict[str, Any] = {"returncode": None, "stopped": False}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        end_leftovers(folder)
        lock = _acquire(folder / LOCK_FILE, job.get("lock_seconds", 60.0))
        if lock is None:
            outcome["reason"] = (
                "another machine holds the lock of the folder and still trains there"
            )
        else:
            try:
                outcome.update(_train(job, folder, lock, stop))
            finally:
                os.close(lock)
    except OSError as error:
        outcome["reason"] = os_reason(error)
    ended = time.time()
    return {
        "started": started,
        "ended": ended,
        "seconds": ended - started,
        **outcome,
        "host": socket.gethostname(),
        "device": _device(folder, started),
        "threads": job["threads"],
    }
