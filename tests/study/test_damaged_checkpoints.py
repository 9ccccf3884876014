"""A run goes on from a whole checkpoint, and is finished only at its end."""

from __future__ import annotations

import json
import zipfile

import pytest

from anl_seg.study.run.attempt import run_attempt
from anl_seg.study.run.checkpoints import remove_broken
from tests.study.study_helpers import (
    expected_table,
    fake_run,
    resumable_checkpoint,
    starts,
    state,
    table,
)
from tests.study.test_attempt import job
from tests.study.test_runner import launch

pytestmark = pytest.mark.process


def damage_entry(path) -> None:
    """Change a digit of the weight inside an intact zip file."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        content = file.read("data")
    digit = content[-2:-1]
    other = b"1" if digit != b"1" else b"2"
    path.write_bytes(data.replace(content, content[:-2] + other + content[-1:]))
    with zipfile.ZipFile(path) as file:
        assert file.testzip() == "data"


def test_damaged_weights_in_an_intact_zip_file_give_way_to_the_checkpoint_before(tmp_path):
    run = fake_run(tmp_path, "run", fail="once", fail_at=8, iterations=8)
    run_attempt(job(run))
    damage_entry(run.folder / "iter_6.pth")
    assert resumable_checkpoint(run.folder, 6).name == "iter_4.pth"
    outcome = run_attempt(job(run))
    assert outcome["reason"] is None
    assert starts(run) == ["from iteration 0", "from iteration 4"]
    assert table(run) == expected_table(run)
    note = (
        f"{run.folder}/iter_6.pth is not resumed: its entry 'data' does not have its checksum; "
        f"going on from {run.folder}/iter_4.pth."
    )
    assert outcome["note"] == note
    assert note in (run.folder / "output.log").read_text().splitlines()


def test_the_runner_tells_of_a_damaged_checkpoint(tmp_path):
    run = fake_run(tmp_path, "run", fail="once", fail_at=8, iterations=8)
    run_attempt(job(run))
    damage_entry(run.folder / "iter_6.pth")
    damage_entry(run.folder / "iter_4.pth")
    outcome, text = launch([run], tmp_path)
    assert outcome.finished == [run]
    assert "iter_6.pth is not resumed" in text
    assert "starting anew" in text
    assert starts(run) == ["from iteration 0", "from iteration 0"]


def test_what_is_no_checkpoint_of_the_run_is_not_removed(tmp_path):
    """After a failure broken files make room; pretrained weights in the old format are none."""
    (tmp_path / "pretrained.pth").write_bytes(b"\x80\x02rest")
    (tmp_path / "iter_2.pth").write_bytes(b"PK\x03\x04 half")
    (tmp_path / "iter_4.pth").write_bytes(b"")
    remove_broken(tmp_path)
    assert [p.name for p in tmp_path.glob("*.pth")] == ["pretrained.pth"]
    # In the old format no damage is seen, and mmengine writes none.
    (tmp_path / "iter_2.pth").write_bytes(b"\x80\x02rest")
    log = tmp_path / "1" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps(dict(mIoU=1.0, time=0.1, step=2)) + "\n")
    assert resumable_checkpoint(tmp_path, 2) is None


def test_exit_0_without_the_end_is_a_failure_and_tried_again(tmp_path):
    run = fake_run(tmp_path, "early", iterations=6)
    # The script trains so many iterations as its config says, whatever the plan says.
    run = type(run)(**{**vars(run), "max_iters": 8})
    outcome, text = launch([run], tmp_path, retries=1)
    reason = (
        f"ended with exit 0, but in {run.folder} there is no validation at iteration 8; "
        "it got to iteration 6"
    )
    assert outcome.failed == {run: reason}
    assert state(run)["status"] == "failed"
    assert reason in text
    nothing = fake_run(tmp_path, "nothing", iterations=0)
    nothing = type(run)(**{**vars(nothing), "max_iters": 8})
    told = run_attempt(job(nothing))["reason"]
    assert told == (f"ended with exit 0, but in {nothing.folder} there is no iteration of training")
    early = nothing.config.replace("iterations = 0", "iterations = 6")
    named_so = f"{early}experiment_name = 'without EarlyStoppingHook'"
    assert (
        "no validation at iteration 8"
        in run_attempt({**job(nothing), "config": named_so})["reason"]
    )
    hook = f"{early}hook = dict(type='EarlyStoppingHook')"
    assert run_attempt({**job(nothing), "config": hook})["reason"] is None


def test_a_finished_run_that_is_started_again_stays_finished(tmp_path):
    run = fake_run(tmp_path, "run")
    assert run_attempt(job(run))["reason"] is None
    assert run_attempt(job(run))["reason"] is None
    damage_entry(run.folder / "iter_6.pth")
    damage_entry(run.folder / "iter_4.pth")
    again = {**job(run), "config": run.config.replace("iterations = 6", "iterations = 0")}
    assert "no iteration of training" in run_attempt(again)["reason"]
