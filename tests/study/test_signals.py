"""Nothing trains on when its runner is gone, whatever ended that."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from anl_seg._processes import interrupted_once
from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.leftovers import leftovers
from anl_seg.study.run.runner import run_study
from anl_seg.study.run.state import run_status
from tests.study.study_helpers import FAKE_TRAIN, fake_run

pytestmark = pytest.mark.process(warm=False)


def started(work_dir: Path) -> int:
    """A runner of two runs, each with a rank of its own; its process.

    Forked, as all that it imports is here already.
    """
    runs = [fake_run(work_dir, f"run{i}", i, 1000, seconds=0.05, ranks=1) for i in range(2)]
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            with open(work_dir / "log", "w") as log:
                console = Console(file=log)
                executor = LocalExecutor(2, gpus=[])
                run_study(runs, executor, work_dir, console=console, train_script=FAKE_TRAIN)
        finally:
            os._exit(0)
    end = time.monotonic() + 120
    while len(list(work_dir.glob("runs/*/*/vis_data"))) < 2:
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), (work_dir / "log").read_text()
        assert time.monotonic() < end, (work_dir / "log").read_text()
        time.sleep(0.05)
    return pid


def alive(work_dir: Path) -> list[int]:
    return [pid for folder in (work_dir / "runs").iterdir() for pid in leftovers(folder)]


def wait_until_none(work_dir: Path) -> list[int]:
    """What is still there after a while: a watcher looks every tenth of a second."""
    end = time.monotonic() + 20
    while alive(work_dir) and time.monotonic() < end:
        time.sleep(0.1)
    left = alive(work_dir)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("signals", [["SIGHUP", "SIGINT", "SIGTERM"], ["SIGKILL"]])
def test_no_training_outlives_its_runner(tmp_path, signals):
    runner = started(tmp_path)
    # Of each run the watcher, the training and its rank.
    assert len(alive(tmp_path)) == 6
    for name in signals:
        with contextlib.suppress(ProcessLookupError):
            os.kill(runner, getattr(signal, name))
        time.sleep(0.05)
    os.waitpid(runner, 0)
    assert wait_until_none(tmp_path) == []
    assert [run_status(f) for f in (tmp_path / "runs").iterdir()] == ["interrupted"] * 2


def test_only_the_first_signal_interrupts_and_ignored_ones_stay_so():
    def send(number: int) -> None:
        os.kill(os.getpid(), number)
        time.sleep(0.01)

    term = signal.getsignal(signal.SIGTERM)
    hup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted_once():
            send(signal.SIGHUP)  # as under nohup
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGTERM)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
                send(number)
    finally:
        signal.signal(signal.SIGHUP, hup)
    assert signal.getsignal(signal.SIGTERM) == term
