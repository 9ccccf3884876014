"""One bad file, label or path costs itself alone: run, status and report go on and name it."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from anl_seg.cli import study as study_command
from anl_seg.study.escapes import drawn_text, latex_escaped, markdown_table
from anl_seg.study.report import plots, write, write_report
from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.runner import run_study
from anl_seg.study.run.state import known_state, read_plan, read_state, run_status
from anl_seg.study.run.threads import asked_threads
from anl_seg.study.shown_paths import path_hider
from tests.study.hand_made_study import make_study, write_json
from tests.study.study_helpers import FAKE_TRAIN, fake_run, table

LATIN = "größe".encode("latin-1")
#: File of a run -> contents that no reader may end by.
DAMAGED = {
    "state.json": [
        b"{}",
        b"[]",
        b'{"status": "fin',
        LATIN,
        b'{"status": 3, "attempts": []}',
        b'{"status": "finished", "attempts": 7}',
        b'{"status": "finished", "attempts": [1]}',
    ],
    "memorization.json": [
        LATIN,
        b"{}",
        b"[1]",
        b'[{"step": "x"}]',
        b'[{"step": 1, "by_class": 3}]',
    ],
    "environment.json": [LATIN, b"[]", b'{"commit": 3}', b'{"packages": ["x"]}', b"[" * 100000],
    "resources.json": [LATIN, b"null", b'{"seconds": "long"}'],
    "noise_statistics.json": [LATIN, b'{"datasets": [3]}', b'{"datasets": 3}'],
    "run.json": [LATIN, b"3", b'{"config": 3}'],
    "last_checkpoint": [LATIN],
    "loss_diagnostics.jsonl": [b'{"loss": 3}\n', b'{"loss": "a", "by": "b", "pixels": 3}\n'],
    "20260101_000000/vis_data/scalars.json": [
        LATIN + b"\n{}\n",
        b'{"step": "x", "mIoU": 3}\n{}\n',
        b'{"step": null, "iter": [], "mIoU": 3}\n{}\n',
    ],
}


#: Place in a plan -> values that no reader may end by.
WRONG_IN_PLANS = {
    "metrics.others": [None, "mIoU", [1]],
    "metrics.last_k": [None, 0, "x"],
    "metrics.baseline": [["CE"]],
    "metrics.lower_is_better": [3],
    "runs.0.axes": [3, ["model", "loss", "noise", "strength", "seed", "options"]],
    "runs.0.axes.model": [None, ["x"]],
    "runs.0.axes.seed": ["0", True],
    "runs.0.axes.strength": ["x", [1]],
    "runs.0.folder": ["../elsewhere", "/etc", ""],
    "runs.0.command": [None, [1]],
    "runs.1.folder": ["runs/0000000000000001"],
    "versions": ["x"],
}


@pytest.fixture
def no_plots(monkeypatch):
    monkeypatch.setattr(write, "_plots", lambda *_: [])
    monkeypatch.setattr(write, "draw_panels", lambda *_: ([], []))


def report_files(work_dir):
    folder = write_report(work_dir).parent
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_report_names_every_damaged_file_and_goes_on(tmp_path, no_plots):
    damages = [(name, content) for name, contents in DAMAGED.items() for content in contents]
    runs = make_study(tmp_path, losses=("CE", "GCE"), seeds=range(8), noises=(("n", 0.2), ("m", 1)))
    assert len(runs) >= len(damages)
    for run, (name, content) in zip(runs, damages):
        (tmp_path / run["folder"] / name).write_bytes(content)
    text = report_files(tmp_path)["summary.md"].decode()
    for run, (name, _) in zip(runs, damages):
        assert f"{run['folder']}/{name}" in text, (name, run)
    broken = len(DAMAGED["state.json"])
    assert "The state cannot be read, so that nothing is known of how it ended, and" in text
    assert f"{broken} runs" in text


@pytest.mark.process
def test_run_and_status_go_on_past_a_damaged_state(tmp_path):
    runs = [fake_run(tmp_path, f"run{i}", i) for i in range(2)]
    executor = LocalExecutor(2, gpus=[], cpus_per_run=1)
    assert run_study(runs[:1], executor, tmp_path, train_script=FAKE_TRAIN).finished
    before = table(runs[0])
    for content in (b"{}", b"[]", b'{"sta', LATIN):
        (runs[0].folder / "state.json").write_bytes(content)
        assert run_status(runs[0].folder) == "damaged"
        assert str(runs[0].folder / "state.json") in known_state(runs[0].folder)["reason"]
        with pytest.raises(ValueError, match=r"run0/state\.json"):
            read_state(runs[0].folder)
    told = io.StringIO()
    console = Console(file=told, width=400)
    study_command.show_grid(runs, console)
    outcome = run_study(runs, executor, tmp_path, train_script=FAKE_TRAIN, console=console)
    assert len(outcome.finished) == 2
    assert table(runs[0]) == before
    assert re.search(r"DAMAGED +run0 .*run0/state\.json is no JSON file.*goes on", told.getvalue())


@pytest.mark.parametrize(
    "content",
    [LATIN, b"[]", b"{}", b'{"name": "a", "metrics": {"main": "m"}, "runs": [{}]}', b'{"runs"'],
)
def test_a_damaged_plan_is_named(tmp_path, content):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"study\.json is no"):
        read_plan(tmp_path)


def test_every_value_of_a_plan_is_of_its_kind(tmp_path):
    make_study(tmp_path, losses=("CE",), noises=(("n", 0.2),), seeds=(0, 1))
    plan = json.loads((tmp_path / "study.json").read_text())
    read_plan(tmp_path)
    for place, values in WRONG_IN_PLANS.items():
        for value in values:
            *owners, name = place.split(".")
            changed = owner = json.loads(json.dumps(plan))
            for key in owners:
                owner = owner[int(key) if key.isdigit() else key]
            owner[name] = value
            write_json(tmp_path / "study.json", changed)
            with pytest.raises(ValueError, match=r"study\.json is no plan") as caught:
                read_plan(tmp_path)
            assert place in str(caught.value)


@pytest.mark.parametrize(
    "line", ["[" * 100000, "1" * 5000, f'{{"step": {10**400}}}', '{"a":' * 50000]
)
def test_a_line_that_json_cannot_hold_is_left_out(tmp_path, no_plots, line):
    (run,) = make_study(tmp_path, losses=("CE",), noises=(("n", 0.2),), seeds=(0,))
    path = next((tmp_path / run["folder"]).glob("*/vis_data/scalars.json"))
    path.write_text(f"{line}\n{path.read_text()}")
    assert run_status(tmp_path / run["folder"]) == "finished"
    assert "has 1 lines that cannot be read" in report_files(tmp_path)["summary.md"].decode()


def test_a_report_waits_for_no_pipe(tmp_path, no_plots):
    names = ("run.json", "memorization.json", "20260101_000000/vis_data/scalars.json")
    runs = make_study(tmp_path, losses=("CE",), noises=(("n", 0.2),), seeds=range(len(names)))
    for run, name in zip(runs, names):
        path = tmp_path / run["folder"] / name
        path.unlink()
        os.mkfifo(path)
    text = report_files(tmp_path)["summary.md"].decode()
    for run, name in zip(runs, names):
        assert f"{run['folder']}/{name} cannot be read" in text
    assert text.count("named pipe") == len(names)


LABELS = [
    "$a",
    "$x$ and $y",
    "a$\\frac$b$",
    "_hidden",
    "a|b_c",
    "<b>&",
    "50 %\n#~^{}",
    "[x]*",
    "`c`",
]


def test_labels_of_every_kind_are_drawn_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "draw_panels", lambda *_: ([], []))
    monkeypatch.setattr(plots, "memorization_parts_plots", lambda *_: [])
    monkeypatch.setattr(plots, "curve_plots", lambda *_: [])
    make_study(tmp_path, losses=LABELS, noises=(("$n$_$", 0.2), ("|m|", None)), seeds=(0,))
    files = report_files(tmp_path)
    assert b"could not be made" not in files["summary.md"]
    assert any(name.endswith(".pdf") for name in files)
    rows = [line for line in files["summary.md"].decode().splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) in (4, 5, 8) for row in rows)
    assert "\n[" not in files["summary.tex"].decode()


def test_labels_are_shown_as_they_are():
    figure = Figure()
    ax = figure.subplots()
    for label in LABELS:
        ax.plot([0], [0], label=drawn_text(label))
    figure.legend(*ax.get_legend_handles_labels())
    assert len(ax.get_legend_handles_labels()[1]) == len(LABELS)
    figure.savefig(io.BytesIO(), format="png")
    assert latex_escaped("[a]*\n$_\x00") == r"{[}a{]}{*} \$\_"
    assert markdown_table(["a"], [["x|<b>`\ny"]]).splitlines()[2] == r"| x\|\<b>\` y |"


def test_a_plot_that_cannot_be_made_costs_itself_only(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "draw_panels", lambda *_: ([], []))
    monkeypatch.setattr(plots, "curve_plots", lambda *_: [])

    def broken(*_):
        raise RuntimeError(f"no room in {tmp_path}/runs/7")

    monkeypatch.setattr(plots, "memorization_parts_plots", broken)
    make_study(tmp_path, losses=("CE",), noises=(("n", 0.2),), seeds=(0,))
    text = report_files(tmp_path)["summary.md"].decode()
    assert (
        "where the noise was memorized could not be made (RuntimeError: no room in runs/7)" in text
    )


def test_a_collapsed_model_is_not_the_best_by_a_small_value(tmp_path, no_plots):
    runs = make_study(tmp_path, losses=("CE", "GCE", "MAE"), noises=(("n", 0.2),), seeds=(0, 1))
    metrics = {"main": "ECE", "others": ["mDice.fg"], "lower_is_better": ["ECE"]}
    plan = json.loads((tmp_path / "study.json").read_text())
    write_json(tmp_path / "study.json", {**plan, "metrics": metrics})
    for run in runs[:2]:  # CE
        folder = tmp_path / run["folder"]
        records = json.loads((folder / "memorization.json").read_text())
        for record in records:
            record["memorized_share"] = 0.0
            for i, part in enumerate(record["by_class"]):
                part["right_correct_share"] = float(i == 0)
        write_json(folder / "memorization.json", records)
        path = next(folder.glob("*/vis_data/scalars.json"))
        path.write_text(path.read_text().replace('"ECE": ', '"ECE": 0.0'))
    files = report_files(tmp_path)
    text = files["summary.md"].decode()
    table = text.partition("## Memorized")[2].partition("##")[0]
    assert re.search(r"\| CE \| 0\.00 ± 0\.00 \[2 collapsed\] \|", table)
    assert "| MAE | **" in table or "| GCE | **" in table
    assert "Collapsed: predict one class only" in text
    assert "2 runs" in text
    ranks = json.loads(files["summary.json"])["ranks"]
    assert ranks[0]["loss"] != "CE"


def test_no_file_of_a_report_has_a_folder_of_the_machine(tmp_path, no_plots, monkeypatch):
    home = tmp_path / "home" / "jane doe"
    work_dir = home / "studies" / "quick"
    work_dir.mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    runs = make_study(
        work_dir,
        losses=("CE", "GCE"),
        noises=(("n", 0.2),),
        seeds=(0, 1),
        study_file=f"{home}/q.py",
    )
    folder = work_dir / runs[0]["folder"]
    config = f"data_root = '{home}/data/jsrt'\nother = '/home/bob/x/y.png'\n"
    write_json(folder / "run.json", {"config": config})
    reason = f"exit 1: FileNotFoundError: '{folder}/input/config.py', C:\\Users\\bob\\z.png"
    write_json(folder / "state.json", {"status": "failed", "attempts": [], "reason": reason})
    (work_dir / runs[1]["folder"] / "state.json").write_text("{}")
    plan = json.loads((work_dir / "study.json").read_text())
    plan["runs"][0]["command"] = ["python", "tools/train.py", f"{folder}/input/config.py"]
    write_json(work_dir / "study.json", plan)
    for name, content in report_files(work_dir).items():
        for secret in (str(tmp_path), "jane", "bob"):
            assert secret.encode() not in content, (name, secret)


def test_paths_are_hidden_and_other_texts_stay():
    hide = path_hider(Path("/work/x/study"))
    for text, shown in (
        ("/work/x/study/runs/1/output.log", "runs/1/output.log"),
        ("in /work/x/study.", "in .."),
        ("/work/x/study2/a", "…/a"),
        ("'/home/jane doe/data/a.png'", "'~/data/a.png'"),
        ("/Users/bob and more", "~ and more"),
        ("C:\\Users\\bob\\a.png", "…/a.png"),
        ("/data/jsrt/masks", "…/masks"),
        ("https://host/a/b and/or a / b, 3/4/5, <a/><b/c/d>", None),
        ("pkg: noise/mIoU, ../other/x, ./a/b", None),
    ):
        assert hide(text) == (text if shown is None else shown)


def test_the_threads_that_are_asked_for_are_used(monkeypatch):
    for text, threads in (("3", 3), ("2,4", 2), ("", None)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert asked_threads() == threads
        args = study_command.parse_args(["plan", "x.py", "--jobs", "1"])
        if threads:
            assert study_command.make_executor(args).threads == threads
            args.cpus_per_run = 1
            assert study_command.make_executor(args).threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "all")
    with pytest.raises(ValueError, match="OMP_NUM_THREADS must be an integer >= 1; got 'all'"):
        asked_threads()
