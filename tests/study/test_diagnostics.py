"""What the losses did to the rarest class: read from the runs' records, shown in the report."""

from __future__ import annotations

import json

import pytest

from anl_seg.engine.hooks.loss_diagnostics_hook import FILE_NAME
from anl_seg.study.report import write_report
from anl_seg.study.report.diagnostics import diagnostics_tables
from anl_seg.study.report.results import Results
from tests.study.hand_made_study import fail, make_study

ONE = "decode_head.loss_decode"


def line(step: int, value: float, loss: str = ONE, flat=None) -> dict:
    """A record in which class 2 is the rarest of those that have pixels."""
    return dict(
        step=step,
        loss=loss,
        by="clean",
        logit_scale=10 * value,
        pixels=[0.7, 0.2, 0.1, 0.0],
        gradient=[0.9, 0.05, value, None],
        pull=[9.0, 9.0, value, None],
        prob=[9.0, 9.0, value, None],
        flat=[9.0, 9.0, flat, None],
        mass=[0.7, 0.2, 0.1, 0.0],
    )


def write(work_dir, run, lines) -> None:
    text = "".join(json.dumps(entry) + "\n" for entry in lines)
    (work_dir / run["folder"] / FILE_NAME).write_text(text)


@pytest.fixture
def study(tmp_path):
    runs = make_study(tmp_path, losses=("CE", "GCE"), noises=(("symmetric", 0.2),), seeds=(0, 1))
    return tmp_path, runs


def tables(work_dir):
    return diagnostics_tables(Results.read(work_dir))


def test_start_and_end_are_means_over_records_and_runs(study):
    work_dir, (first, second, third, _) = study
    # Ten records: start and end are two each.
    write(work_dir, first, [line(s, v) for s, v in enumerate([0.1, 0.3, *[9.0] * 6, 0.5, 0.7])])
    write(work_dir, second, [line(s, v) for s, v in enumerate([0.2, 0.4, *[9.0] * 6, 0.6, 0.8])])
    write(work_dir, third, [line(1, 0.5, flat=0.25), line(2, 0.75, flat=None)])
    (found,) = tables(work_dir)
    assert found.title == "symmetric 0.2"
    assert found.note == "Class 2, 10.0 % of the pixels, by clean label."
    assert found.head[:3] == ["loss", "runs", "pull"]
    assert found.rows == [
        ["CE", "2", "0.250 → 0.650", "25.0 → 65.0", "0.25 → 0.65", "-", "2.5 → 6.5"],
        ["GCE", "1", "0.500 → 0.750", "50.0 → 75.0", "0.50 → 0.75", "25 → -", "5.0 → 7.5"],
    ]


def test_parts_of_a_loss_have_rows_of_their_own(study):
    work_dir, (first, *_) = study
    write(work_dir, first, [line(1, 0.5, f"{ONE}.0"), line(1, 0.25, f"{ONE}.1")])
    (found,) = tables(work_dir)
    assert [row[:3] for row in found.rows] == [
        ["CE, 0", "1", "0.500 → 0.500"],
        ["CE, 1", "1", "0.250 → 0.250"],
    ]


def test_runs_that_did_not_finish_and_half_lines_do_not_count(study):
    work_dir, (first, second, *_) = study
    write(work_dir, first, [line(1, 0.5)])
    fail(work_dir, first, "diverged")
    assert tables(work_dir) == []
    write(work_dir, second, [line(1, 0.25)])
    with open(work_dir / second["folder"] / FILE_NAME, "a") as file:
        file.write('{"step": 2, "lo')
    (found,) = tables(work_dir)
    assert found.rows[0][:3] == ["CE", "1", "0.250 → 0.250"]


def test_the_report_shows_them_where_there_are_any(study):
    work_dir, (first, *_) = study
    page = write_report(work_dir).read_text(encoding="utf-8")
    assert "#diagnostics" not in page
    write(work_dir, first, [line(1, 0.5)])
    page = write_report(work_dir).read_text(encoding="utf-8")
    assert 'id="diagnostics"' in page
    assert 'href="#diagnostics"' in page
    assert "0.500 → 0.500" in page
    summary = json.loads((work_dir / "report" / "summary.json").read_text())
    assert summary["diagnostics"][0]["table"]["rows"][0][0] == "CE"
    assert "## What the losses did: symmetric 0.2" in (work_dir / "report/summary.md").read_text()
