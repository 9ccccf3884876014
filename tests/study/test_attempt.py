"""One attempt at a training: its reasons, its resources, its log, its disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anl_seg.study.run.attempt import run_attempt
from anl_seg.study.run.checkpoints import progress
from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.executors.local import visible_gpus
from anl_seg.study.run.leftovers import MARK
from anl_seg.study.run.reasons import failure_reason, is_divergence
from tests.study.study_helpers import (
    FAKE_TRAIN,
    expected_table,
    fake_run,
    resumable_checkpoint,
    table,
)

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


def job(run, **extra):
    return dict(
        folder=str(run.folder),
        config=run.config,
        last=run.max_iters,
        threads=3,
        train_script=str(FAKE_TRAIN),
        **extra,
    )


@pytest.mark.parametrize(
    ("returncode", "tail", "reason"),
    [
        (-9, ["iter 3"], "killed by signal 9 (SIGKILL)"),
        (-15, [], "killed by signal 15 (SIGTERM)"),
        (
            1,
            ["E: diverged: loss is inf at iteration 7", "torchrun"],
            "diverged: loss is inf at iteration 7",
        ),
        (1, ["OSError: [Errno 28] No space left on device"], "no space left on device"),
        (1, ["OSError: [Errno 122] Disk quota exceeded"], "no space left on device"),
        (1, ["torch.OutOfMemoryError: CUDA out of memory. Tried"], "out of memory"),
        (
            1,
            ["[enforce fail] . PytorchStreamWriter failed writing file"],
            "a checkpoint could not be written",
        ),
        (2, ["Traceback", "KeyError: 'x'", ""], "exit 2: KeyError: 'x'"),
        (2, [], "exit 2: it printed nothing"),
        (
            1,
            [
                "[rank1]: Traceback (most recent call last):",
                "[rank1]: mmengine.SomeError: no such thing",
                "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
                "  error_file: <N/A>",
                "======",
            ],
            "exit 1: mmengine.SomeError: no such thing",
        ),
    ],
)
def test_reasons(tmp_path, returncode, tail, reason):
    assert failure_reason(returncode, tail, tmp_path) == reason
    assert is_divergence(reason) == reason.startswith("diverged")


def test_a_full_disk_is_told_by_what_is_left_of_it(tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    tail = ["PytorchStreamWriter failed writing file data/3: file write failed"]
    assert failure_reason(1, tail, tmp_path) == "no space left on device"
    assert failure_reason(1, ["something"], tmp_path) == "no space left on device"
    assert failure_reason(-9, ["something"], tmp_path) == "killed by signal 9 (SIGKILL)"


def _write_on_small_disk(folder: Path, code: str) -> subprocess.CompletedProcess:
    """Run Python code with a file system of 200 kB at ``folder``, in a name space of its own."""
    mount = f"mount -t tmpfs -o size=200k none {folder} && exec {sys.executable} -c {code!r}"
    try:
        return subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", mount],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=120,
        )
    except FileNotFoundError:
        pytest.skip("no unshare on this system")


def test_a_run_on_a_full_disk_says_so(tmp_path):
    run = fake_run(tmp_path, "full", iterations=8000, val_interval=1000)
    run.folder.mkdir(parents=True)
    content = json.dumps(job(run))
    (tmp_path / "job.json").write_text(content)
    code = (
        "import json, sys; from anl_seg.study.run.attempt import run_attempt; "
        f'print(json.dumps(run_attempt(json.load(open("{tmp_path / "job.json"}")))))'
    )
    result = _write_on_small_disk(run.folder, code)
    if "mount:" in result.stderr or "unshare:" in result.stderr:
        pytest.skip(f"no file system of our own here: {result.stderr.strip()}")
    outcome = json.loads(result.stdout)
    assert outcome["reason"] == "no space left on device"
    assert outcome["returncode"] == 1


def test_broken_checkpoints_make_room_after_a_failure(tmp_path):
    run = fake_run(tmp_path, "run", fail="crash", fail_at=5)
    run.folder.mkdir(parents=True)
    (run.folder / "iter_6.pth").write_bytes(b"PK\x03\x04 half")
    run_attempt(job(run))
    assert sorted(p.name for p in run.folder.glob("*.pth")) == ["iter_4.pth"]


def test_a_folder_that_cannot_be_made_is_a_reason(tmp_path):
    run = fake_run(tmp_path, "run")
    (tmp_path / "runs").write_text("a file")
    outcome = run_attempt(job(run))
    assert outcome["reason"].startswith("not a directory")
    assert outcome["returncode"] is None


def test_threads_and_marks_reach_the_training(tmp_path):
    run = fake_run(tmp_path, "run")
    outcome = run_attempt(job(run, environment={"CUDA_VISIBLE_DEVICES": "5"}))
    assert outcome["reason"] is None
    assert outcome["threads"] == 3
    seen = json.loads((run.folder / "seen_environment").read_text())
    assert seen == {"CUDA_VISIBLE_DEVICES": "5", "OMP_NUM_THREADS": "3"}
    assert MARK not in os.environ
    assert progress(run.folder) == 6
    assert (run.folder / "output.log").read_text() == "from iteration 0\ndone\n"
    run_attempt(job(run))
    assert (run.folder / "output.log").read_text().endswith("done\nfrom iteration 6\ndone\n")


def test_a_training_that_ends_early_without_an_error_has_failed(tmp_path):
    run = fake_run(tmp_path, "run")
    reason = run_attempt({**job(run), "last": 8})["reason"]
    assert reason.endswith("there is no validation at iteration 8; it got to iteration 6")


def test_a_checkpoint_counts_only_with_all_that_belongs_to_it(tmp_path):
    run = fake_run(tmp_path, "run")
    run_attempt(job(run))
    folder = run.folder
    assert resumable_checkpoint(folder, 6).name == "iter_6.pth"
    # Not the last iteration: then training must have gone on.
    assert resumable_checkpoint(folder, 8).name == "iter_4.pth"
    (folder / "iter_6.pth").write_bytes(b"PK\x03\x04 half")
    assert resumable_checkpoint(folder, 6).name == "iter_4.pth"
    for path in folder.glob("iter_*.pth"):
        path.unlink()
    assert resumable_checkpoint(folder, 6) is None


def test_epochs_are_counted_as_epochs(tmp_path):
    """Three iterations per epoch: iteration 4 is in epoch 2, and says nothing of epoch 4."""
    import zipfile

    log = tmp_path / "20260101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    lines = [dict(loss=1.0, epoch=e, iter=3 * e, step=3 * e) for e in (1, 2)]
    lines.insert(1, dict(mIoU=1.0, time=0.1, step=1))
    lines.append(dict(mIoU=1.0, time=0.1, step=2))
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"mIoU": 3.')
    for epoch in (1, 2):
        with zipfile.ZipFile(tmp_path / f"epoch_{epoch}.pth", "w") as file:
            file.writestr("data", "x")
    assert progress(tmp_path, "epoch") == 2
    assert resumable_checkpoint(tmp_path, 2).name == "epoch_2.pth"
    assert resumable_checkpoint(tmp_path, 4).name == "epoch_1.pth"


def test_each_run_gets_its_gpu(tmp_path):
    executor = LocalExecutor(gpus=["3", "7"])
    assert executor.capacity() == 2
    assert "1 GPUs each" in executor.describe()
    runs = [fake_run(tmp_path, f"run{i}", seconds=0.2) for i in range(2)]
    for run in runs:
        executor.submit(run.digest, job(run))
    ended = []
    end = time.monotonic() + 60
    while len(ended) < 2 and time.monotonic() < end:
        ended += executor.wait(1.0)
    assert sorted(key for key, _ in ended) == ["run0", "run1"]
    seen = {
        json.loads((run.folder / "seen_environment").read_text())["CUDA_VISIBLE_DEVICES"]
        for run in runs
    }
    assert seen == {"3", "7"}
    assert [table(run) for run in runs] == [expected_table(run) for run in runs]


@pytest.mark.parametrize(
    ("gpus", "per_run", "jobs", "capacity"),
    [
        (["0", "1", "2", "3"], None, None, 4),
        (["0", "1", "2", "3"], 2, None, 2),
        (["0", "1"], 0.5, None, 4),
        (["0", "1"], 0.5, 3, 3),
        (["0"], 1, 8, 1),
        (["0"], 0, 8, 8),
        ([], None, None, 1),
        ([], None, 2, 2),
    ],
)
def test_how_many_runs_fit(gpus, per_run, jobs, capacity):
    assert LocalExecutor(jobs, gpus_per_run=per_run, gpus=gpus).capacity() == capacity


def test_half_a_gpu_and_none(tmp_path):
    executor = LocalExecutor(gpus_per_run=0.5, gpus=["0", "1"])
    taken = [executor._take_gpus(str(i))["CUDA_VISIBLE_DEVICES"] for i in range(4)]
    assert sorted(taken) == ["0", "0", "1", "1"]
    executor = LocalExecutor(2, gpus_per_run=2, gpus=["0", "1", "2", "3"])
    assert executor._take_gpus("a") == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert executor._take_gpus("b") == {"CUDA_VISIBLE_DEVICES": "2,3"}
    executor = LocalExecutor(2, gpus_per_run=0, gpus=["0"])
    assert executor._take_gpus("a") == {"CUDA_VISIBLE_DEVICES": ""}


def test_threads_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert LocalExecutor(4, gpus=[]).threads == 3
    assert LocalExecutor(100, gpus=[]).threads == 1
    assert LocalExecutor(4, gpus=[], cpus_per_run=5).threads == 5


def test_gpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    assert visible_gpus() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (dict(jobs=0), "jobs must be 1 or more; got 0"),
        (dict(cpus_per_run=0), "cpus_per_run must be 1 or more; got 0"),
        (dict(gpus_per_run=-1), "a whole number, or a part of one GPU; got -1"),
        (dict(gpus_per_run=1.5, gpus=["0", "1"]), "a whole number, or a part of one GPU; got 1.5"),
        (dict(gpus_per_run=2, gpus=["0"]), "a run asks for 2 GPUs; this machine has 1"),
    ],
)
def test_resources_that_no_run_can_have(arguments, text):
    with pytest.raises(ValueError, match=text):
        LocalExecutor(**{"gpus": [], **arguments})


def test_watching_a_training_loads_neither_torch_nor_mmseg():
    code = (
        "import sys, anl_seg.study.run.remote; "
        "print([m for m in ('torch', 'mmseg', 'mmengine', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.stdout.strip() == "[]"


def test_a_training_is_the_command_of_this_package(tmp_path, monkeypatch):
    from anl_seg.study.run import attempt

    run = fake_run(tmp_path, "run")
    config = tmp_path / "config.py"
    content = {**job(run), "train_script": None, "train_arguments": ["--amp"]}
    train = ["-m", "anl_seg.cli.train", str(config), f"--work-dir={run.folder}", "--amp"]
    assert attempt._command(content, config, None) == train
    ranks = {**content, "launcher": "pytorch", "nproc_per_run": 2}
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    resumed = [*train, "--resume=iter_4.pth", "--launcher=pytorch"]
    assert attempt._command(ranks, config, Path("iter_4.pth")) == [*start, *resumed]


def test_a_distributed_run_is_started_by_torch(tmp_path):
    """Two processes of the fake training, which write the same lines."""
    run = fake_run(tmp_path, "run")
    outcome = run_attempt(job(run, launcher="pytorch", nproc_per_run=2))
    assert outcome["reason"] is None, (run.folder / "output.log").read_text()
    assert (run.folder / "output.log").read_text().count("from iteration 0") == 2
    assert table(run) == expected_table(run)
