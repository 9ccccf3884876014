"""The loop of a study: what is run, repeated, tried again and told, on a fake training."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.progress_table import StudyProgress, Timings, time_text
from anl_seg.study.run.runner import MOST_LOSSES, only_runner, run_study
from anl_seg.study.run.state import read_state, run_status
from tests.study.study_helpers import FAKE_TRAIN, expected_table, fake_run, starts, state, table

pytestmark = pytest.mark.process


def launch(runs, work_dir, *, retries=0, executor=None, terminal=False):
    text = io.StringIO()
    outcome = run_study(
        runs,
        executor or LocalExecutor(2, gpus=[]),
        work_dir,
        retries=retries,
        console=Console(file=text, width=400, force_terminal=terminal),
        train_script=FAKE_TRAIN,
    )
    return outcome, text.getvalue()


def test_runs_finish_and_are_not_repeated(tmp_path):
    runs = [fake_run(tmp_path, f"run{seed}", seed) for seed in range(3)]
    assert [run_status(run.folder) for run in runs] == ["planned"] * 3
    outcome, text = launch(runs, tmp_path)
    assert set(outcome.finished) == set(runs)
    assert outcome.failed == {}
    assert not outcome.stopped
    for run in runs:
        assert table(run) == expected_table(run)
        found = state(run)
        assert found["status"] == run_status(run.folder) == "finished"
        (attempt,) = found["attempts"]
        assert attempt["returncode"] == 0
        assert attempt["reason"] is None
        assert attempt["device"] == "fake"
        assert attempt["seconds"] == pytest.approx(attempt["ended"] - attempt["started"])
        record = json.loads((run.folder / "run.json").read_text())
        assert record["config"] == run.config == (run.folder / "input/config.py").read_text()
        assert record["folder"] == f"runs/{run.digest}"
    assert text.count("start ") == 3
    assert "3 of 3 finished, 0 running, 0 waiting" in text
    before = [(run.folder / "state.json").stat().st_mtime_ns for run in runs]
    outcome, text = launch(runs, tmp_path)
    assert len(outcome.finished) == 3
    assert "start" not in text
    assert [(run.folder / "state.json").stat().st_mtime_ns for run in runs] == before
    assert all(len(starts(run)) == 1 for run in runs)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("crash", "exit 1: RuntimeError: the data set is not there"),
        ("diverge", "diverged: loss is nan at iteration 4"),
        ("space", "no space left on device"),
        ("kill", "killed by signal 9 (SIGKILL)"),
        ("silent", "exit 3: no traceback"),
    ],
)
def test_a_failed_run_is_told_and_leaves_the_others_alone(tmp_path, how, reason):
    bad = fake_run(tmp_path, "bad", fail=how, fail_at=4)
    good = fake_run(tmp_path, "good")
    outcome, text = launch([bad, good], tmp_path, retries=1)
    assert outcome.failed == {bad: reason}
    assert outcome.finished == [good]
    assert table(good) == expected_table(good)
    found = state(bad)
    assert found["status"] == run_status(bad.folder) == "failed"
    assert found["reason"] == reason
    # A run that diverged does so again; the others were tried again.
    attempts = 1 if how == "diverge" else 2
    assert [a["reason"] for a in found["attempts"]] == [reason] * attempts
    assert len(starts(bad)) == attempts
    assert f"FAILED    bad  ({reason})" in text
    assert text.count("again ") == attempts - 1


def test_a_failure_that_passes_costs_one_retry(tmp_path):
    run = fake_run(tmp_path, "run", fail="once", fail_at=5)
    outcome, _ = launch([run], tmp_path, retries=1)
    assert outcome.finished == [run]
    # Training was logged after iteration 2, not after the checkpoint of iteration 4.
    assert starts(run) == ["from iteration 0", "from iteration 2"]
    assert table(run) == expected_table(run)
    assert state(run)["attempts"][0]["reason"] == "exit 1: RuntimeError: only the first time"


def test_a_later_call_tries_failed_runs_again_but_not_diverged_ones(tmp_path):
    crash = fake_run(tmp_path, "crash", fail="once")
    diverge = fake_run(tmp_path, "diverge", fail="diverge")
    outcome, _ = launch([crash, diverge], tmp_path)
    assert set(outcome.failed) == {crash, diverge}
    outcome, text = launch([crash, diverge], tmp_path)
    assert outcome.finished == [crash]
    assert outcome.failed == {diverge: "diverged: loss is nan at iteration 1"}
    assert "diverge" not in text
    assert len(state(diverge)["attempts"]) == 1


def test_an_interrupted_run_is_told_and_goes_on(tmp_path):
    run = fake_run(tmp_path, "run", iterations=40, seconds=0.05)

    class Impatient(LocalExecutor):
        patience = True

        def wait(self, seconds):
            if self.patience and table(run):
                self.patience = False
                raise KeyboardInterrupt
            return super().wait(seconds)

    outcome, _ = launch([run], tmp_path, executor=Impatient(1, gpus=[]))
    assert outcome.stopped
    assert (outcome.finished, outcome.failed) == ([], {})
    assert run_status(run.folder) == "interrupted"
    assert state(run)["attempts"][0]["reason"] == "stopped with the runner"
    outcome, _ = launch([run], tmp_path)
    assert outcome.finished == [run]
    assert starts(run)[1] != "from iteration 0"
    assert table(run) == expected_table(run)


@pytest.mark.parametrize("damage", ["half a checkpoint", "no validation", "empty last_checkpoint"])
def test_what_a_kill_leaves_behind_is_not_believed(tmp_path, damage):
    run = fake_run(tmp_path, "run")
    launch([run], tmp_path)
    found = state(run)
    (run.folder / "state.json").write_text(json.dumps({**found, "status": "running"}))
    if damage == "half a checkpoint":
        path = run.folder / "iter_6.pth"
        path.write_bytes(path.read_bytes()[:-30])
        assert not zipfile.is_zipfile(path)
    elif damage == "no validation":
        path = next(run.folder.glob("*/vis_data/scalars.json"))
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:-1], lines[-1][:10]]))
    else:
        (run.folder / "last_checkpoint").write_text("")
    assert run_status(run.folder) == "interrupted"
    outcome, _ = launch([run], tmp_path)
    assert outcome.finished == [run]
    start = "from iteration 6" if damage == "empty last_checkpoint" else "from iteration 4"
    assert starts(run)[-1] == start
    assert table(run) == expected_table(run)
    assert Path((run.folder / "last_checkpoint").read_text()).name == "iter_6.pth"


def test_a_half_state_file_is_named(tmp_path):
    run = fake_run(tmp_path, "run")
    run.folder.mkdir(parents=True)
    (run.folder / "state.json").write_text('{"status": "fin')
    with pytest.raises(ValueError, match=r"state\.json is no JSON file"):
        read_state(run.folder)


def test_a_second_runner_is_refused(tmp_path):
    told = r"another runner works in .* \(process \d+ on"
    with only_runner(tmp_path), pytest.raises(ValueError, match=told):
        launch([fake_run(tmp_path, "run")], tmp_path)
    launch([fake_run(tmp_path, "run")], tmp_path)


class Losing(LocalExecutor):
    """Loses the node under the first attempts."""

    def __init__(self, losses):
        super().__init__(1, gpus=[])
        self.losses = losses
        self.lost = []

    def submit(self, key, job):
        if self.losses:
            self.losses -= 1
            self.lost.append(key)
        else:
            super().submit(key, job)

    def wait(self, seconds):
        lost, self.lost = self.lost, []
        outcome = {"lost": True, "reason": "lost with its node"}
        return [(key, dict(outcome)) for key in lost] or super().wait(seconds)


def test_a_lost_node_costs_no_retry(tmp_path):
    run = fake_run(tmp_path, "run")
    outcome, text = launch([run], tmp_path, executor=Losing(3))
    assert outcome.finished == [run]
    assert text.count("lost ") >= 3
    assert [a["reason"] for a in state(run)["attempts"]] == ["lost with its node"] * 3 + [None]
    run = fake_run(tmp_path, "never")
    outcome, _ = launch([run], tmp_path, executor=Losing(1000))
    assert outcome.failed == {run: "lost with its node"}
    assert len(state(run)["attempts"]) == MOST_LOSSES + 1


def test_a_terminal_gets_a_table(tmp_path):
    run = fake_run(tmp_path, "run", iterations=10, seconds=0.2)
    _, text = launch([run], tmp_path, terminal=True)
    assert "0 of 1 finished, 1 running, 0 waiting" in text
    assert "/10" in text


def test_time_left():
    console = Console(file=io.StringIO())
    runs = [fake_run(Path("x"), f"run{i}", iterations=10) for i in range(4)]
    progress = StudyProgress(console, Timings(), 4, 0)
    assert progress.left(runs, 2) is None
    progress = StudyProgress(console, Timings({"m": 100.0}), 4, 0)
    assert progress.left(runs, 2) == 200.0
    progress.timings.add("m", 50.0)
    progress.timings.add("m", 70.0)
    assert progress.left(runs, 2) == 120.0
    progress.start(runs[0], 1)
    progress._active["run0"].done = 5
    assert progress.left(runs[1:], 2) == (3 * 60 + 30) / 2
    assert progress.left([], 2) == 30.0


def test_time_texts():
    assert [time_text(s) for s in (None, 8.2, 200, 7500)] == [
        "?",
        "8 s",
        "3 min 20 s",
        "2 h 05 min",
    ]


def test_a_metric_that_is_not_measured_ends_the_study_early(tmp_path):
    runs = [fake_run(tmp_path, f"run{i}", i) for i in range(6)]
    told = r"metrics\.main: unknown metric 'mIuO'\. Did you mean mIoU\? Known: mIoU\."
    with pytest.raises(ValueError, match=told):
        run_study(
            runs,
            LocalExecutor(1, gpus=[]),
            tmp_path,
            console=Console(file=io.StringIO()),
            train_script=FAKE_TRAIN,
            main_metric="mIuO",
        )
    assert sum(run.folder.exists() for run in runs) < 3


def test_what_is_told_while_a_runner_waits_for_a_node(tmp_path):
    run = fake_run(tmp_path, "run")
    run.folder.mkdir(parents=True)
    for attempt, told in ((dict(started=None), "running"), (dict(ended=1.0), "interrupted")):
        content = {"status": "running", "attempts": [attempt], "reason": None}
        (run.folder / "state.json").write_text(json.dumps(content))
        with only_runner(tmp_path):
            assert run_status(run.folder) == told
        assert run_status(run.folder) == "interrupted"
