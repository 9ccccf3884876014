"""The report of a study: one page that carries all it shows, and its tables and plots as files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from anl_seg._files import replace_atomically, write_json_atomically
from anl_seg.study.escapes import markdown_text
from anl_seg.study.report.content import page_content
from anl_seg.study.report.figures import Plot, save_plot
from anl_seg.study.report.panels import draw_panels
from anl_seg.study.report.plots import report_plots, slug
from anl_seg.study.report.problems import Problem, catching, find_problems
from anl_seg.study.report.results import Results

_TEMPLATES = Path(__file__).parent / "templates"


class _Pictures:
    """Writes plots, each under a name that no other one has; one that cannot be written is a problem.

    Args:
        folder: where they go.
        catch: what an error is made a problem by.
    """

    def __init__(self, folder: Path, catch: Callable[[str], AbstractContextManager[None]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.catch = folder, catch
        self._names: set[str] = set()

    def write(self, plots: Iterable[Plot], kind: str) -> list[dict[str, str]]:
        """Write plots as PNG and PDF; returns what the template shows of them."""
        written = []
        for plot in plots:
            numbered = (f"{plot.name}-{number}" for number in count(2))
            name = next(n for n in chain([plot.name], numbered) if n not in self._names)
            self._names.add(name)
            with self.catch(f"{kind} {plot.title!r}"):
                png = save_plot(replace(plot, name=name), self.folder)
                uri = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
                shown = {"name": name, "title": plot.title, "caption": plot.caption, "uri": uri}
                written.append(shown)
        return written

    def remove_others(self) -> None:
        """Remove what was not written: plots of an earlier form of the study would pass for this one's."""
        for path in self.folder.glob("*"):
            if path.suffix in (".png", ".pdf") and path.stem not in self._names:
                path.unlink(missing_ok=True)


def _plots(results: Results, catch: Callable[[str], AbstractContextManager[None]]) -> list[Plot]:
    """The plots that can be drawn."""
    plots: list[Plot] = []
    for what, draw in report_plots(results).items():
        with catch(f"plots of {what}"):
            plots += draw()
    return plots


def _write_text(path: Path, text: str) -> None:
    replace_atomically(path, text.encode("utf-8"))


def _rows(frame: pd.DataFrame) -> list[dict]:
    """Rows of a frame for JSON."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _problem_text(problem: Problem) -> str:
    """A problem and its runs as a Markdown list."""
    lines = [f"- {markdown_text(problem.text)}"]
    for name, digest, detail in problem.runs:
        line = f"  - {markdown_text(name)} (`{digest}`)"
        lines.append(f"{line}: {markdown_text(detail)}" if detail else line)
    return "\n".join(lines)


def _markdown(content: Mapping[str, Any]) -> str:
    """The tables to read, as Markdown."""
    sections = [
        *((table.title, table.note, table) for table in content["results"]),
        *(
            (f"What the losses did: {markdown_text(table.title)}", table.note, table)
            for table in content["diagnostics"]
        ),
        (f"Ranks by {content['column']}", "", content["ranks"]),
    ]
    for tests in content["tests"]:
        reference = f"{markdown_text(tests.reference)} ({tests.why})"
        sections.append((f"Wilcoxon signed-rank tests against {reference}", "", tests.table))
    parts = [
        f"# {markdown_text(content['name'])}: noise study",
        f"{content['finished']} of {content['planned']} runs finished.",
        *map(_problem_text, content["problems"]),
    ]
    for title, note, table in sections:
        parts += [f"## {title}", *([note] if note else []), table.markdown()]
    return "\n\n".join(parts) + "\n"


def _latex(content: Mapping[str, Any]) -> str:
    """The tables of results, as LaTeX."""
    name = content["name"]
    tables = [
        table.latex(f"{name}: {table.title}. {table.note}".strip(), f"{slug(name)}-{number}")
        for number, table in enumerate(content["results"])
    ]
    return "\n\n".join(["% Needs \\usepackage{booktabs}.", *tables]) + "\n"


def _write_tables(folder: Path, results: Results, content: Mapping[str, Any]) -> None:
    frames = {
        "runs": results.frame,
        "summary": results.summary,
        "classes": results.classes.drop(columns="setting"),
    }
    for name, frame in frames.items():
        _write_text(folder / f"{name}.csv", frame.to_csv(index=False))
    write_json_atomically(folder / "runs.json", _rows(results.frame))
    write_json_atomically(
        folder / "summary.json",
        {
            "name": content["name"],
            "compared_by": content["column"],
            "summary": _rows(results.summary),
            "diagnostics": [
                {"title": t.title, "note": t.note, "table": {"head": t.head, "rows": t.rows}}
                for t in content["diagnostics"]
            ],
            "ranks": _rows(results.ranks),
            "tests": [row for tests in content["tests"] for row in _rows(tests.frame)],
            "problems": [{"text": p.text, "runs": p.runs} for p in content["problems"]],
        },
    )
    _write_text(folder / "summary.md", _markdown(content))
    _write_text(folder / "summary.tex", _latex(content))


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
    results = Results.read(work_dir)
    if not results.records:
        raise ValueError(f"{results.work_dir / 'study.json'} plans no runs.")
    problems = find_problems(results)
    content = page_content(results, problems)
    folder = results.work_dir / "report"
    catch = partial(catching, problems, results.hide)
    pictures = _Pictures(folder / "plots", catch)
    content["plots"] = pictures.write(_plots(results, catch), "plot")
    panels, content["panel_notes"] = draw_panels(results, configs, problems)
    content["panels"] = pictures.write(panels, "picture")
    _write_tables(folder, results, content)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(content)
    _write_text(folder / "index.html", page)
    pictures.remove_others()
    return folder / "index.html"
