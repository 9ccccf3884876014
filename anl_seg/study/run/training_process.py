"""A training as a process that ends with this one, whatever ends this one. Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anl_seg.study.run.leftovers import MARK, end_leftovers

_TERM_SECONDS = 10.0


def start_training(
    command: Sequence[str], folder: str | Path, environment: Mapping[str, str], **options: Any
) -> subprocess.Popen:
    """Start a command, marked as that of a run, in a session of its own: Ctrl-C is for this process.

    Args:
        command: a Python script with its arguments.
        folder: of the run.
        environment: its variables.
        **options: of :class:`subprocess.Popen`.
    """
    child = [sys.executable, "-S", "-E", str(Path(__file__).with_name("_child.py"))]
    return subprocess.Popen(
        [*child, str(os.getpid()), sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        env={**environment, MARK: str(Path(folder).absolute())},
        start_new_session=True,
        **options,
    )


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, number)


def end_training(process: subprocess.Popen, folder: str | Path) -> None:
    """End a training and all that it started: SIGTERM, and SIGKILL for what is there after ten seconds."""
    _signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(_TERM_SECONDS)
    except subprocess.TimeoutExpired:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
    end_leftovers(Path(folder).absolute())
