"""anl-seg study: real trainings of a few iterations, planned, run, told and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anl_seg.cli import study as study_command

ROOT = Path(__file__).parents[2]
STUDY = """
base = {base!r}
axes = dict(
    loss=dict(CE="CELoss", wild=dict(type="CELoss", loss_weight=1e30)),
    noise=dict(symmetric="SymmetricNoise:rate={{strength}}"),
    strength=[0.4],
    seed=[0],
    options=dict(tiny={{
        "train_dataloader.dataset.length": 16,
        "train_dataloader.batch_size": 4,
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": False,
        "val_dataloader.dataset.length": 8,
        "val_dataloader.num_workers": 0,
        "val_dataloader.persistent_workers": False,
        "default_hooks.logger.interval": 1,
        "optim_wrapper.optimizer.type": "SGD",
    }}),
)
budget = dict(max_iters=6, val_interval=3)
metrics = dict(main="mIoU", others=["mDice"], last_k=2)
retries = 0
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of a run that ends well and one that diverges, and its work dir."""
    folder = tmp_path_factory.mktemp("study")
    base = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
    (folder / "tiny.py").write_text(STUDY.format(base=base))
    return folder / "tiny.py", folder / "work"


def call(capsys, *arguments):
    """Exit code and output."""
    code = study_command.main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


@pytest.mark.training
def test_plan_then_run_then_status(study, capsys):
    path, work_dir = study
    options = ["--work-dir", work_dir, "--cpus-per-run", 1]
    with pytest.raises(SystemExit, match=r"no study\.json in .*plan the study there first"):
        study_command.main(["status", str(path), "--work-dir", str(work_dir)])
    code, told = call(capsys, "plan", path, *options)
    assert code == 0
    lines = told.splitlines()
    assert sum("planned" in line for line in lines) == 2
    assert "timing a few iterations of CE | symmetric 0.4 | seed 0" in told
    assert "ms per iteration" in told
    assert "2 runs, 0 finished; 1 at a time on this machine, 1 CPU threads each: about" in told
    timing = json.loads((work_dir / "timing.json").read_text())
    (seconds,) = timing.values()
    assert all(0 < value < 100 for value in seconds.values())
    assert not (work_dir / "runs").exists()

    code, told = call(capsys, "run", path, *options)
    assert code == 1
    assert "1 of 2 runs finished." in told
    assert "FAILED  wild | symmetric 0.4 | seed 0: diverged: loss is" in told
    plan = json.loads((work_dir / "study.json").read_text())
    folders = [work_dir / run["folder"] for run in plan["runs"]]
    good, bad = (json.loads((folder / "state.json").read_text()) for folder in folders)
    assert (good["status"], bad["status"]) == ("finished", "failed")
    assert bad["reason"].startswith("diverged: loss is ")
    assert " at iteration " in bad["reason"]
    assert (
        "train.py: diverged: loss is nan at iteration 2" in (folders[1] / "output.log").read_text()
    )
    scalars = next(folders[0].glob("*/vis_data/scalars.json")).read_text().splitlines()
    assert [x["step"] for x in map(json.loads, scalars) if "mIoU" in x] == [3, 6]
    records = json.loads((folders[0] / "memorization.json").read_text())
    assert [record["step"] for record in records] == [3, 6]

    code, told = call(capsys, "run", path, *options)
    assert code == 1
    assert "start" not in told
    code, told = call(capsys, "status", path, "--work-dir", work_dir)
    assert code == 1
    assert "2 runs: 1 finished, 1 failed" in told
    assert "wild | symmetric 0.4 | seed 0: diverged: loss is" in told
    code, told = call(capsys, "plan", path, *options)
    assert "2 runs, 1 finished" in told


@pytest.mark.training
def test_an_edited_study_reuses_what_fits(study, tmp_path, capsys):
    path, work_dir = study
    if not (work_dir / "study.json").exists():
        pytest.skip("needs the runs of the test before")
    edited = tmp_path / "edited.py"
    edited.write_text(path.read_text().replace("seed=[0]", "seed=[0, 1]"))
    code, told = call(capsys, "plan", edited, "--work-dir", work_dir, "--no-timing")
    assert code == 0
    lines = [line for line in told.splitlines() if "symmetric" in line]
    words = [line.split()[1] for line in lines]
    assert words == ["finished", "planned", "failed", "planned"]
    assert "4 runs, 1 finished" in told


@pytest.mark.training
@pytest.mark.process(warm=False)
def test_sigterm_ends_the_trainings_and_says_how_to_go_on(study, tmp_path):
    path, _ = study
    slow = tmp_path / "slow.py"
    slow.write_text(path.read_text().replace("max_iters=6", "max_iters=6000"))
    work_dir = tmp_path / "work"
    process = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "tools/noise_study.py"),
            "run",
            str(slow),
            f"--work-dir={work_dir}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    end = time.monotonic() + 120
    while not list(work_dir.glob("runs/*/output.log")) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; the same command goes on." in told
    (state,) = work_dir.glob("runs/*/state.json")
    attempts = json.loads(state.read_text())["attempts"]
    assert [a["reason"] for a in attempts] == ["stopped with the runner"]
    from anl_seg.study.run.leftovers import leftovers
    from anl_seg.study.run.state import run_status

    assert leftovers(state.parent) == []
    assert run_status(state.parent) == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--jobs", "0"], "jobs must be 1 or more; got 0"),
        (["--gpus-per-run", "1.5"], "a part of one GPU; got 1.5"),
        (["--gpus-per-run", "99"], "a run asks for 99 GPUs; this machine has"),
        (["--cpus-per-run", "0"], "cpus_per_run must be 1 or more; got 0"),
        (["--address", "auto"], "--address goes with --executor ray"),
        (["--nproc-per-run", "2"], "--nproc-per-run goes with --launcher pytorch"),
        (["--retries", "-1"], "--retries must be 0 or more; got -1"),
    ],
)
def test_bad_arguments_end_in_a_sentence(study, tmp_path, arguments, text):
    with pytest.raises(SystemExit) as stop:
        study_command.main(["run", str(study[0]), "--work-dir", str(tmp_path / "work"), *arguments])
    assert str(stop.value).startswith("anl-seg study: ")
    assert text in str(stop.value)
    assert not (tmp_path / "work" / "runs").exists()


def test_a_bad_study_ends_in_a_sentence(study, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(study[0].read_text().replace('"CELoss"', '"CEELoss"'))
    for command in ("plan", "run"):
        with pytest.raises(SystemExit, match=r"anl-seg study: loss 'CE'.*Did you mean"):
            study_command.main([command, str(bad), "--work-dir", str(tmp_path / "work")])
    assert not (tmp_path / "work").exists()
