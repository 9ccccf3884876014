"""anl-seg compare: what it prints, writes and exits with. (tests/study/test_comparison.py trains.)"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from anl_seg.cli import compare
from anl_seg.study import comparison
from anl_seg.study.run.runner import StudyOutcome
from tests.cli.conftest import QUICKSTART

LOSSES = ["MAELoss", "GCELoss:q=0.5"]


def arguments(folder, *words):
    noise = ["--noise", "SymmetricNoise:rate=0.5", "--loss", *LOSSES]
    return [QUICKSTART, *noise, "--work-dir", str(folder), *words]


@pytest.fixture
def ends(monkeypatch):
    """No training: runs of these losses fail, the others end with an mIoU of 40."""

    def put(*failing, stopped=False):
        def run(runs, executor, work_dir, **settings):
            failed = {run: "exit 1: no reason" for run in runs if run.axes["loss"] in failing}
            finished = [run for run in runs if run not in failed]
            return StudyOutcome(finished=finished, failed=failed, stopped=stopped)

        def read(runs, work_dir, metric):
            values = {10: {metric: 40.0, "IoU.ring": 30.0}}
            return [replace(r, validations=values) for r in real(runs, work_dir, metric)]

        real = comparison.read_runs
        monkeypatch.setattr(comparison, "run_study", run)
        monkeypatch.setattr(compare, "read_runs", read)

    return put


def test_a_table_is_printed_and_written(ends, tmp_path, capsys):
    ends()
    assert compare.main(arguments(tmp_path)) == 0
    out = capsys.readouterr().out
    row = "| SymmetricNoise:rate=0.5 | GCELoss:q=0.5 | 40.0 | 40.0 | - | 30.0 |"
    assert row in out.splitlines()
    assert row in (tmp_path / "comparison.md").read_text().splitlines()
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert [record["label"] for record in content["records"]] == LOSSES
    assert (tmp_path / "comparison.py").is_file()
    assert len(json.loads((tmp_path / "study.json").read_text())["runs"]) == 2


def test_failed_runs_are_named_and_left_out(ends, tmp_path, capsys):
    ends("MAELoss")
    assert compare.main(arguments(tmp_path)) == 1
    out, err = capsys.readouterr()
    assert "FAILED  MAELoss | SymmetricNoise:rate=0.5 | seed 0: exit 1: no reason" in out
    assert "1 of 2 runs failed; the table lacks them." in err
    assert "MAELoss" not in (tmp_path / "comparison.md").read_text()
    ends(*LOSSES, stopped=True)
    assert compare.main(arguments(tmp_path)) == 130
    assert "stopped; the same command goes on." in capsys.readouterr().out


def test_wrong_arguments_end_in_a_sentence(tmp_path):
    for words, text in (
        (["--metric", "mIuO"], "unknown metric 'mIuO'. Did you mean mIoU"),
        (["--jobs", "0"], "jobs must be 1 or more"),
        (["--cfg-options", "trian_cfg.max_iters=3"], "unknown setting 'trian_cfg'"),
        (["--seeds", "1", "1"], "have the same configuration"),
    ):
        with pytest.raises(SystemExit, match=text.replace(".", r"\.")):
            compare.main(arguments(tmp_path / "runs", *words))
    assert not (tmp_path / "runs").exists()
