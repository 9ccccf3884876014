"""Tables of hand-made runs against loops over their files."""

from __future__ import annotations

import io
import json
import math
import statistics

import pandas as pd
import pytest

from anl_seg.study.escapes import markdown_table
from anl_seg.study.report.frames import runs_frame, setting_texts, summary_frame
from anl_seg.study.report.tables import result_table
from tests.study.hand_made_study import fail, make_study, memorization_record, metric, write_run


def row_of(frame, digest):
    (row,) = (row for _, row in frame.iterrows() if row["digest"] == digest)
    return row


def test_each_run_says_what_its_folder_says(tmp_path):
    runs = make_study(tmp_path)
    frame = runs_frame(tmp_path)
    assert list(frame["digest"]) == [run["digest"] for run in runs]
    for run, (_, row) in zip(runs, frame.iterrows()):
        axes = run["axes"]
        for axis, value in axes.items():
            assert row[axis] == value
        arguments = axes["loss"], axes["strength"], axes["seed"]
        values = [metric(*arguments, step) for step in (10, 20, 30)]
        assert row["final mDice.fg"] == values[2]
        assert row["best mDice.fg"] == max(values)
        assert row["last_k mDice.fg"] == pytest.approx((values[1] + values[2]) / 2)
        assert row["best mIoU"] == pytest.approx(max(values) - 10)
        assert (row["best ECE"], row["final ECE"]) == (6.0, 8.0)
        assert (row["status"], row["reason"], row["attempts"]) == ("finished", "", 1)
        assert (row["validations"], row["step"]) == (3, 30)
        if axes["noise"] == "clean":
            assert math.isnan(row["memorized"])
            assert math.isnan(row["noise_share"])
        else:
            record = memorization_record(axes["loss"], axes["seed"], 30)
            for name in ("memorized", "corrected", "other"):
                assert row[name] == pytest.approx(record[name] / 10)
            assert row["right_correct"] == 90
            assert row["noise_share"] == pytest.approx((500 + axes["seed"]) / 20)
        assert (row["seconds"], row["peak_rss_mb"]) == (10.25, 512)
        assert math.isnan(row["peak_cuda_mb"])
        assert (row["device"], row["host"], row["commit"]) == ("cpu", "here", "abc123")


def test_runs_without_a_folder_that_failed_or_go_on(tmp_path):
    runs = make_study(tmp_path, seeds=(0,))
    fail(tmp_path, runs[0], "killed by signal 9", attempts=3)
    for path in sorted((tmp_path / runs[1]["folder"]).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    state = tmp_path / runs[3]["folder"] / "state.json"
    state.write_text(json.dumps({"status": "running", "attempts": [], "reason": None}))
    frame = runs_frame(tmp_path)
    failed, missing, running = (row_of(frame, runs[i]["digest"]) for i in (0, 1, 3))
    assert (failed["status"], failed["reason"]) == ("failed", "killed by signal 9")
    assert (missing["status"], missing["validations"]) == ("planned", 0)
    assert running["status"] == "interrupted"  # no process holds its lock
    for row in (failed, missing, running):
        for name in ("final mDice.fg", "best mIoU", "last_k ECE", "memorized"):
            assert math.isnan(row[name])
    assert failed["step"] == 30
    assert missing["seconds"] != missing["seconds"]


def test_seconds_of_all_attempts_where_no_hook_wrote_them(tmp_path):
    (run,) = make_study(tmp_path, losses=("CE",), noises=(("symmetric", 0.2),), seeds=(0,))
    (tmp_path / run["folder"] / "resources.json").unlink()
    fail(tmp_path, run, "no space left on device")
    (row,) = runs_frame(tmp_path).to_dict("records")
    assert row["seconds"] == 6.0
    assert row["device"] == "cpu"


def test_files_that_are_no_json_are_no_end(tmp_path):
    (run,) = make_study(tmp_path, losses=("CE",), noises=(("symmetric", 0.2),), seeds=(0,))
    folder = tmp_path / run["folder"]
    (folder / "memorization.json").write_text('[{"step": 1')
    (folder / "resources.json").write_text("[]")
    scalars = next(folder.glob("*/vis_data/scalars.json"))
    scalars.write_text(scalars.read_text() + '{"mDice.fg": 99.0, "st')
    (row,) = runs_frame(tmp_path).to_dict("records")
    assert row["final mDice.fg"] == metric("CE", 0.2, 0, 30)
    assert math.isnan(row["memorized"])
    assert row["seconds"] == 12.5


def test_what_a_resumed_run_logged_last_counts(tmp_path):
    (run,) = make_study(tmp_path, losses=("CE",), noises=(("symmetric", 0.2),), seeds=(0,))
    again = tmp_path / run["folder"] / "20260102_000000" / "vis_data" / "scalars.json"
    again.parent.mkdir(parents=True)
    again.write_text('{"mDice.fg": 12.0, "step": 30}\n')
    (row,) = runs_frame(tmp_path).to_dict("records")
    assert row["final mDice.fg"] == 12.0
    assert row["validations"] == 3


def test_stopped_is_where_another_metric_is_best(tmp_path):
    metrics = {"main": "mDice.fg", "last_k": 1, "stop_by": "ECE"}  # lowest at the first validation
    runs = make_study(tmp_path, metrics=metrics)
    fail(tmp_path, runs[1], "exit 1")
    frame = runs_frame(tmp_path)
    first = row_of(frame, runs[0]["digest"])
    axes = runs[0]["axes"]
    at_first = metric(axes["loss"], axes["strength"], axes["seed"], 10)
    assert (first["stop_step"], first["stopped mDice.fg"]) == (10, at_first)
    assert first["stopped ECE"] == first["best ECE"] == 6.0
    assert at_first != first["final mDice.fg"]
    failed = row_of(frame, runs[1]["digest"])
    assert math.isnan(failed["stop_step"])
    assert math.isnan(failed["stopped mDice.fg"])
    assert "stopped mDice.fg mean" in summary_frame(frame)


def test_summary_equals_the_statistics_of_its_runs(tmp_path):
    runs = make_study(tmp_path)
    fail(tmp_path, runs[0], "exit 1")
    frame = runs_frame(tmp_path)
    summary = summary_frame(frame)
    assert len(summary) == 9
    for _, row in summary.iterrows():
        group = [
            run
            for run in runs
            if (run["axes"]["loss"], run["axes"]["noise"], run["axes"]["strength"])
            == (row["loss"], row["noise"], row["strength"])
        ]
        assert row["planned"] == 3
        finished = [run for run in group if run is not runs[0]]
        assert row["finished"] == len(finished)
        assert row["runs"].split() == [run["digest"] for run in finished]
        values = [metric(row["loss"], row["strength"], run["axes"]["seed"], 30) for run in finished]
        assert row["final mDice.fg mean"] == pytest.approx(statistics.fmean(values))
        assert row["final mDice.fg std"] == pytest.approx(statistics.stdev(values))
        assert row["final mDice.fg n"] == len(values)
        assert row["memorized n"] == (0 if row["noise"] == "clean" else len(values))
        assert math.isnan(row["memorized mean"]) == (row["noise"] == "clean")


def test_one_seed_has_no_spread(tmp_path):
    make_study(tmp_path, seeds=(4,))
    summary = summary_frame(runs_frame(tmp_path))
    assert (summary["final mDice.fg n"] == 1).all()
    assert summary["final mDice.fg std"].isna().all()


def test_summary_of_an_unknown_column(tmp_path):
    make_study(tmp_path, seeds=(0,))
    with pytest.raises(KeyError, match="no column 'final nothing'"):
        summary_frame(runs_frame(tmp_path), ["final nothing"])


def test_strengths_of_several_parts_and_varying_options(tmp_path):
    strength = {"alpha": 0.3, "beta": 0.5}
    runs = make_study(tmp_path, noises=(("alpha_beta", strength), ("clean", None)), seeds=(0,))
    frame = runs_frame(tmp_path)
    assert list(frame["strength"])[:2] == ["alpha 0.3, beta 0.5", None]
    assert list(setting_texts(frame))[:2] == ["alpha_beta alpha 0.3, beta 0.5", "clean"]
    assert len(summary_frame(frame)) == len(runs)
    frame.loc[frame.index[0], "options"] = "slow"
    assert list(setting_texts(frame))[:2] == [
        "slow | alpha_beta alpha 0.3, beta 0.5",
        "default | clean",
    ]


def test_csv_and_json_keep_every_number(tmp_path):
    make_study(tmp_path)
    frame = runs_frame(tmp_path)
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype={"digest": str})
    assert list(again["digest"]) == list(frame["digest"])
    for name in ("final mDice.fg", "last_k mDice.fg", "memorized", "seconds"):
        assert again[name].tolist() == pytest.approx(frame[name].tolist(), nan_ok=True, abs=0)


def test_nothing_planned(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study.json in .*plan the study there first"):
        runs_frame(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(ValueError, match=r"study.json is no JSON file"):
        runs_frame(tmp_path)


# --- as texts ---


def test_cells_say_what_is_missing_and_mark_the_best(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2), ("clean", None)))
    for run in runs[:1] + runs[6:9]:
        fail(tmp_path, run, "exit 1")
    summary = summary_frame(runs_frame(tmp_path))
    table = result_table(summary, "final mDice.fg")
    assert table.latex("c", "l").count(r"\textbf{") == 2
    assert list(table.cells) == ["CE", "GCE", "MAE"]
    assert table.settings == ["symmetric 0.2", "clean"]
    lines = table.markdown().splitlines()
    values = [metric("CE", 0.2, seed, 30) for seed in (1, 2)]
    spread = statistics.stdev(values)
    assert lines[0] == "| loss | symmetric 0.2 | clean |"
    assert f"| CE | {statistics.fmean(values):.2f} ± {spread:.2f} (2 of 3) |" in lines[2]
    assert lines[3].startswith("| GCE | no run | **")
    assert lines[4].startswith("| MAE | **")
    assert [cell.best for row in table.cells.values() for cell in row.values()] == [
        False,
        False,
        False,
        True,
        True,
        False,
    ]
    assert table.cells["CE"]["symmetric 0.2"].runs == (runs[1]["digest"], runs[2]["digest"])
    low = result_table(summary, "final mDice.fg", lower=True)
    assert [row["clean"].best for row in low.cells.values()] == [True, False, False]
    none = result_table(summary, "memorized", lower=None)
    assert not any(cell.best for row in none.cells.values() for cell in row.values())
    assert "| CE | 47.9" in none.markdown() or "±" in none.markdown()
    assert none.cells["CE"]["clean"].text() == "-"


def test_latex_has_no_special_characters_left(tmp_path):
    make_study(tmp_path, losses=("A_1 & 50%", "{b}~^\\"), seeds=(0, 1))
    table = result_table(summary_frame(runs_frame(tmp_path)), "final mDice.fg")
    text = table.latex("50 % of #1", "tab_1")
    assert r"A\_1 \& 50\% & " in text
    assert r"\{b\}\textasciitilde{}\textasciicircum{}\textbackslash{} & " in text
    assert r"\caption{50 \% of \#1}" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines()[1:] if line]
    assert len(rows) == 2
    assert all(row.replace(r"\&", "").count("&") == 3 for row in rows)
    assert r"$\pm$" in body
    assert r"\textbf{" not in text  # equal means: none is the best
    assert text.count("{") == text.count("}")


def test_markdown_of_texts_with_bars():
    assert markdown_table(["a"], [["x|y"], ["two\nlines"]]).splitlines()[2:] == [
        r"| x\|y |",
        "| two lines |",
    ]


def test_a_study_with_holes(tmp_path):
    """A loss that one noise was never planned for has an empty cell."""
    runs = make_study(tmp_path, seeds=(0,), noises=(("symmetric", 0.2), ("clean", None)))
    plan = json.loads((tmp_path / "study.json").read_text())
    plan["runs"] = [run for run in runs if run["digest"] != runs[1]["digest"]]
    (tmp_path / "study.json").write_text(json.dumps(plan))
    table = result_table(summary_frame(runs_frame(tmp_path)), "final mDice.fg")
    assert "clean" not in table.cells["CE"]
    assert table.markdown().splitlines()[2].endswith(" |  |")
    write_run(tmp_path, runs[1])
