"""SIGKILL at random moments, to the runner or to a training: nothing but the runs in flight is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anl_seg.study.run.attempt import LOCK_FILE, is_locked
from anl_seg.study.run.leftovers import leftovers
from anl_seg.study.run.state import run_status
from tests.study.study_helpers import expected_table, fake_run, runs_to_kill, table

pytestmark = pytest.mark.process(warm=False)

ROOT = Path(__file__).parents[2]
KILL_DRIVER = str(Path(__file__).with_name("kill_driver.py"))
TOOL = str(ROOT / "tools" / "noise_study.py")
#: Two runs of 60 iterations, some seconds each beside the seconds to start.
STUDY = """
base = {base!r}
axes = dict(
    loss=dict(CE="CELoss", GCE="GCELoss:q=0.7"),
    noise="SymmetricNoise:rate={{strength}}",
    strength=0.4,
    seed=0,
    options=dict(tiny={{
        "train_dataloader.dataset.length": 16,
        "train_dataloader.batch_size": 2,
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": False,
        "val_dataloader.dataset.length": 8,
        "val_dataloader.num_workers": 0,
        "val_dataloader.persistent_workers": False,
        "default_hooks.logger.interval": 1,
    }}),
)
budget = dict(max_iters={iters}, val_interval=5)
metrics = dict(main="mIoU")
"""


def environment() -> dict:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(command: list[str], log: Path, python: str = sys.executable) -> subprocess.Popen:
    with open(log, "a") as file:
        return subprocess.Popen([python, *command], stdout=file, stderr=file, env=environment())


def kill_at_random(command, work_dir, folders, *, kills, longest, seed, seconds=600):
    """Start the command as often as needed, kill it or a training of it now and then, and return how often
    each was killed, with the state files of runs that were finished at each kill."""
    draws = random.Random(seed)
    log = work_dir.parent / "runner.log"
    killed = {"runner": 0, "training": 0}
    finished: dict[Path, tuple] = {}
    end = time.monotonic() + seconds
    process = start(command, log)
    while process.poll() is None or process.returncode != 0:
        assert time.monotonic() < end, log.read_text()
        if process.poll() is not None:
            assert process.returncode == -signal.SIGKILL, log.read_text()
            process = start(command, log)
        if sum(killed.values()) == kills:
            time.sleep(0.1)
            continue
        time.sleep(draws.uniform(0.0, longest))
        for folder in folders:
            if run_status(folder) == "finished":
                stat = (folder / "state.json").stat()
                finished.setdefault(folder, (stat.st_mtime_ns, stat.st_ino))
        trainings = [pid for folder in folders for pid in leftovers(folder)]
        if trainings and draws.random() < 0.5:
            pid = draws.choice(trainings)
            kind = "training"
        else:
            pid, kind = process.pid, "runner"
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended in this moment
        if kind == "runner":
            process.wait()
        killed[kind] += 1
    for folder, stamp in finished.items():
        stat = (folder / "state.json").stat()
        assert (stat.st_mtime_ns, stat.st_ino) == stamp, f"{folder} was run again"
    return killed


def killed_attempts(folders) -> int:
    attempts = [a for f in folders for a in json.loads((f / "state.json").read_text())["attempts"]]
    return sum(a.get("reason") == "killed by signal 9 (SIGKILL)" for a in attempts)


@pytest.mark.slow
def test_kills_change_no_table(tmp_path):
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    runs = runs_to_kill(work_dir)
    command = [KILL_DRIVER, str(work_dir), "2"]
    folders = [run.folder for run in runs]
    for folder in folders:
        folder.mkdir(parents=True)
    killed = kill_at_random(command, work_dir, folders, kills=4, longest=7.0, seed=0)
    assert sum(killed.values()) == 4
    assert [run_status(run.folder) for run in runs] == ["finished"] * len(runs)
    assert [table(run) for run in runs] == [expected_table(run) for run in runs]


def test_an_orphan_is_ended_before_its_run_goes_on(tmp_path):
    """As where the kernel does not end the training with its runner."""
    run = fake_run(tmp_path, "run", iterations=40, seconds=0.1)
    code = (
        "import sys, subprocess, os, fcntl\n"
        "lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "os.environ['ANL_SEG_RUN_FOLDER'] = sys.argv[2]\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], pass_fds=[lock],\n"
        "    stdout=subprocess.DEVNULL)\n"
        "print(p.pid)\n"
    )
    run.folder.mkdir(parents=True)
    command = [sys.executable, "-c", code, str(run.folder / LOCK_FILE), str(run.folder)]
    orphan = int(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    assert is_locked(run.folder / LOCK_FILE)
    assert leftovers(run.folder) == [orphan]
    (run.folder / "state.json").write_text(
        json.dumps({"status": "running", "attempts": [{"started": None}], "reason": None})
    )
    assert run_status(run.folder) == "running"
    from tests.study.test_runner import launch

    outcome, _ = launch([run], tmp_path)
    assert outcome.finished == [run]
    assert leftovers(run.folder) == []
    assert not is_locked(run.folder / LOCK_FILE)
    assert table(run) == expected_table(run)


def test_another_machines_training_is_not_joined(tmp_path):
    """A lock whose holder cannot be seen, as on a shared file system."""
    import fcntl

    run = fake_run(tmp_path, "run")
    run.folder.mkdir(parents=True)
    from anl_seg.study.run.attempt import run_attempt

    with open(run.folder / LOCK_FILE, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        job = dict(folder=str(run.folder), config=run.config, last=6, threads=1, lock_seconds=0.2)
        outcome = run_attempt(job)
    assert outcome["reason"].startswith("another machine holds the lock")
    assert not (run.folder / "output.log").exists()


def real_table(folder: Path) -> tuple:
    """All that a report reads of a run: validations and memorization, without times."""
    validations = {}
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            try:
                content = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "mIoU" in content:
                kept = {k: v for k, v in content.items() if not k.endswith("time")}
                validations[content["step"]] = kept
    return validations, json.loads((folder / "memorization.json").read_text())


@pytest.mark.training
@pytest.mark.parametrize("kills", [pytest.param(2, id="few"), pytest.param(10, id="ten")])
def test_a_killed_study_ends_with_the_undisturbed_table(request, tmp_path, kills, warm_python):
    if kills == 10 and request.config.getoption("--hypothesis-profile") != "long":
        pytest.skip("runs under make test-long")
    iters = 10 if kills == 2 else 120
    base = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
    study = tmp_path / "killed.py"
    study.write_text(STUDY.format(base=base, iters=iters))

    def command(name):
        work_dir = f"--work-dir={tmp_path / name / 'work'}"
        return [TOOL, "run", str(study), work_dir, "--cpus-per-run=1", "--retries=100"]

    (tmp_path / "whole").mkdir()
    process = start(command("whole"), tmp_path / "whole" / "runner.log", warm_python)
    assert process.wait(900) == 0, (tmp_path / "whole" / "runner.log").read_text()
    whole = sorted((tmp_path / "whole/work/runs").iterdir())
    folders = [tmp_path / "killed/work/runs" / folder.name for folder in whole]
    for folder in folders:
        folder.mkdir(parents=True)
    killed = kill_at_random(
        command("killed"),
        tmp_path / "killed/work",
        folders,
        kills=kills,
        longest=25.0 if kills == 10 else 12.0,
        seed=kills,
        seconds=3000,
    )
    assert sum(killed.values()) == kills
    print(f"killed: {killed}; attempts that say so: {killed_attempts(folders)}")
    assert [real_table(a) for a in folders] == [real_table(b) for b in whole]
    assert sorted(real_table(folders[0])[0]) == list(range(5, iters + 1, 5))
