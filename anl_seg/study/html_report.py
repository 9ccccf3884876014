"""The report of a study: one page that carries all it shows, and its tables and plots as files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mmengine.config import Config

from anl_seg._files import replace_atomically, write_json_atomically
from anl_seg.study.class_tables import class_frame
from anl_seg.study.escapes import markdown_table, markdown_text
from anl_seg.study.panels import choose_runs, draw_panel
from anl_seg.study.plots import (
    Plot,
    curve_plots,
    memorization_parts_plots,
    memorization_series,
    metric_series,
    save_plot,
    slug,
    strength_plots,
)
from anl_seg.study.problems import Problem, find_problems
from anl_seg.study.report_content import page_content
from anl_seg.study.run_input import planned_config
from anl_seg.study.run_record import RunRecord, metric_names, read_study
from anl_seg.study.shown_paths import path_hider
from anl_seg.study.table_text import latex_grid, markdown_grid
from anl_seg.study.tables import frame_of, main_column, summary_frame

_TEMPLATES = Path(__file__).parent / "templates"
#: A page of hundreds of pictures would be too large to open.
_MOST_PANELS = 8


@dataclass(frozen=True)
class _Picture:
    """A picture as the template shows it."""

    name: str
    title: str
    caption: str
    uri: str


def _picture(plot: Plot, folder: Path, taken: set[str]) -> _Picture:
    """Write a plot under a name that no other one has."""
    name, number = plot.name, 1
    while name in taken:
        number += 1
        name = f"{plot.name}-{number}"
    taken.add(name)
    plot = replace(plot, name=name)
    png = base64.b64encode(save_plot(plot, folder)).decode("ascii")
    return _Picture(plot.name, plot.title, plot.caption, f"data:image/png;base64,{png}")


@contextmanager
def _told(what: str, problems: list[Problem] | None, hide: Callable[[str], str]) -> Iterator[None]:
    """One part of the report that cannot be made must not cost the others: it is a problem that is told.

    Without a list to tell it in, it is an error.
    """
    try:
        yield
    except Exception as error:
        if problems is None:
            raise
        problems.append(
            Problem(hide(f"The {what} could not be made ({type(error).__name__}: {error})."))
        )


def _plots(
    plan: Mapping[str, Any],
    records: Sequence[RunRecord],
    frame: pd.DataFrame,
    problems: list[Problem] | None = None,
    hide: Callable[[str], str] = str,
) -> list[Plot]:
    main = metric_names(plan)[0]
    column = main_column(plan)
    shares = {
        "memorised, % of wrong": memorization_series("memorized_share"),
        "corrected, % of wrong": memorization_series("corrected_share"),
    }
    unit = records[0].unit
    learning = {main: metric_series(main)}
    parts = {
        column: lambda: strength_plots(frame, column, column),
        "memorised": lambda: strength_plots(frame, "memorized", "memorised, % of wrong pixels"),
        "learning curves": lambda: curve_plots(
            records, learning, "learning", "Learning curves", unit
        ),
        "memorisation curves": lambda: curve_plots(
            records, shares, "memorization", "Memorisation curves"
        ),
        "where the noise was memorised": lambda: memorization_parts_plots(records),
    }
    plots = []
    for what, draw in parts.items():
        with _told(f"plots of {what}", problems, hide):
            plots += draw()
    return plots


def _with_config(
    work_dir: Path,
    runs: Sequence[RunRecord],
    configs: Mapping[str, str],
    problems: list[Problem],
    hide: Callable[[str], str],
) -> list[tuple[RunRecord, Config]]:
    """The runs whose config is known to be harmless, with it; the others are problems."""
    known = []
    for run in runs:
        try:
            known.append((run, planned_config(work_dir, run.folder, run.digest, configs)))
        except (OSError, ValueError) as error:
            told = f"Predictions of {run.folder} are not drawn: {str(error).rstrip('.')}."
            problems.append(Problem(hide(told)))
    return known


def _panels(
    work_dir: Path,
    records: Sequence[RunRecord],
    configs: Mapping[str, str] | None,
    folder: Path,
    taken: set[str],
    problems: list[Problem],
    hide: Callable[[str], str],
) -> tuple[list[_Picture], list[str]]:
    """The pictures, and sentences on those that are not there."""
    chosen = choose_runs(records)
    if chosen and configs is None:
        return [], ["None: the study file was not given, and only it says what may be built."]
    pictures, notes = [], []
    for runs in chosen[:_MOST_PANELS]:
        known = _with_config(work_dir, runs, configs or {}, problems, hide)
        if not known:
            notes.append(f"{runs[0].noise_text}: no config can be trusted; see the problems above.")
            continue
        try:
            plot = draw_panel(work_dir, *zip(*known))
            pictures.append(_picture(plot, folder, taken))
        # A moved data set or another version's checkpoint must not cost the tables.
        except Exception as error:
            notes.append(
                f"{runs[0].noise_text}: the pictures could not be drawn "
                f"({type(error).__name__}: {error}); they are of {', '.join(r.folder for r in runs)}."
            )
    if len(chosen) > _MOST_PANELS:
        notes.append(f"Drawn are the first {_MOST_PANELS} of {len(chosen)} noises.")
    if not chosen:
        notes.append(
            "None: they need a finished run with noise, a memorisation record and a checkpoint."
        )
    return pictures, notes


def _write_text(path: Path, text: str) -> None:
    replace_atomically(path, text.encode("utf-8"))


def _records(frame: pd.DataFrame) -> list[dict]:
    """Rows of a frame for JSON."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _write_tables(
    folder: Path,
    content: Mapping[str, Any],
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    classes: pd.DataFrame,
) -> None:
    _write_text(folder / "runs.csv", frame.to_csv(index=False))
    write_json_atomically(folder / "runs.json", _records(frame))
    _write_text(folder / "summary.csv", summary.to_csv(index=False))
    _write_text(folder / "classes.csv", classes.drop(columns="setting").to_csv(index=False))
    tests = [row for test in content["tests"] for row in _records(test.frame)]
    write_json_atomically(
        folder / "summary.json",
        {
            "name": content["name"],
            "compared_by": content["column"],
            "summary": _records(summary),
            "diagnostics": [asdict(found) for found in content["diagnostics"]],
            "ranks": _records(content["rank_frame"]),
            "tests": tests,
            "problems": [{"text": p.text, "runs": p.runs} for p in content["problems"]],
        },
    )
    parts = [f"# {markdown_text(content['name'])}: noise study"]
    parts.append(f"{content['finished']} of {content['planned']} runs finished.")
    for problem in content["problems"]:
        told = [
            f"  - {markdown_text(name)} (`{digest}`)" + (f": {markdown_text(text)}" if text else "")
            for name, digest, text in problem.runs
        ]
        parts.append("\n".join([f"- {markdown_text(problem.text)}", *told]))
    latex = ["% Needs \\usepackage{booktabs}."]
    for i, result in enumerate(content["results"]):
        text = f"## {result.title}\n\n{markdown_grid(result.grid, result.digits)}"
        parts.append(text.replace("\n\n", f"\n\n{result.note}\n\n", 1) if result.note else text)
        caption = f"{content['name']}: {result.title}. {result.note}".strip()
        latex.append(
            latex_grid(result.grid, caption, f"{slug(content['name'])}-{i}", result.digits)
        )
    for found in content["diagnostics"]:
        table = markdown_table(found.table.head, found.table.rows)
        parts.append(
            f"## What the losses did: {markdown_text(found.title)}\n\n{found.note}\n\n{table}"
        )
    ranks = content["ranks"]
    parts.append(f"## Ranks by {content['column']}\n\n{markdown_table(ranks.head, ranks.rows)}")
    for test in content["tests"]:
        title = (
            f"## Wilcoxon signed-rank tests against {markdown_text(test.reference)} ({test.why})"
        )
        parts.append(f"{title}\n\n{markdown_table(test.head, test.rows)}")
    _write_text(folder / "summary.md", "\n\n".join(parts) + "\n")
    _write_text(folder / "summary.tex", "\n\n".join(latex) + "\n")


def _remove_old_plots(folder: Path, kept: set[str]) -> None:
    """Plots of an earlier form of the study would pass for this one's."""
    for path in folder.glob("*"):
        if path.suffix in (".png", ".pdf") and path.stem not in kept:
            path.unlink(missing_ok=True)


def write_report(work_dir: str | Path, configs: Mapping[str, str] | None = None) -> Path:
    """Write the report of a study from what lies in its folders, whatever of it is missing.

    ``report/`` in the work dir gets ``index.html`` (needs nothing beside it and no network), ``runs.csv``,
    ``runs.json``, ``summary.csv``, ``summary.json``, ``classes.csv``, ``summary.md``, ``summary.tex`` and
    ``plots/*.png`` and ``*.pdf``. Each file is replaced as a whole, the page last. The same folders give
    the same files.

    Args:
        work_dir: of a planned study; runs may be going on. It is data: nothing in it is run or built.
        configs: digest -> text of the configuration of each run that the study file asks for; from these
            the models and data sets of the pictures are built. None: no pictures.

    Returns:
        Path of the page.

    Raises:
        FileNotFoundError: no ``study.json`` there.
        ValueError: it cannot be read, or plans no runs.
    """
    work_dir = Path(work_dir).absolute()
    plan, records = read_study(work_dir)
    if not records:
        raise ValueError(f"{work_dir / 'study.json'} plans no runs.")
    frame = frame_of(plan, records)
    summary = summary_frame(frame)
    problems = find_problems(work_dir, plan, records, frame)
    classes = class_frame(plan, records, frame)
    content = page_content(plan, records, frame, summary, classes, problems)
    folder = work_dir / "report"
    plot_folder = folder / "plots"
    plot_folder.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    hide = path_hider(work_dir)
    content["plots"] = []
    for plot in _plots(plan, records, frame, problems, hide):
        with _told(f"plot {plot.title!r}", problems, hide):
            content["plots"].append(_picture(plot, plot_folder, names))
    panels, notes = _panels(work_dir, records, configs, plot_folder, names, problems, hide)
    content["panels"], content["panel_notes"] = panels, [hide(note) for note in notes]
    _write_tables(folder, content, frame, summary, classes)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    page = environment.get_template("report.html.j2").render(content)
    _write_text(folder / "index.html", page)
    _remove_old_plots(plot_folder, names)
    return folder / "index.html"
