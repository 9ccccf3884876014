"""What the page of a study says: its tables, from what was read once."""

from __future__ import annotations

import difflib
import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from anl_seg._suggest import sentence
from anl_seg.study.metrics import mean_of_known
from anl_seg.study.report.class_values import UNLEARNED
from anl_seg.study.report.diagnostics import diagnostics_tables
from anl_seg.study.report.problems import Problem
from anl_seg.study.report.published import published_table
from anl_seg.study.report.results import Results
from anl_seg.study.report.significance import ALPHA, paired_tests
from anl_seg.study.report.tables import ResultTable, Table, result_table
from anl_seg.study.run_record import RunRecord, strength_text

_WRONG = "Percent of the wrongly labeled training pixels that the trained model predicts as "


#: Columns that are no metrics -> how they are shown, see :func:`result_table`.
_COUNTS: dict[str, dict[str, Any]] = {
    "memorized": {
        "title": "Memorized",
        "note": f"{_WRONG}their wrong label. A model that predicts one class only repeats few: that is "
        "marked as collapsed, and is not the best.",
        "lower": True,
    },
    "corrected": {"title": "Corrected", "note": f"{_WRONG}their true class.", "lower": None},
    "other": {"title": "Neither", "note": f"{_WRONG}neither.", "lower": None},
    "classes_unlearned": {
        "title": "Classes not learned",
        "note": f"How many classes end below {UNLEARNED:.0f} %.",
        "lower": True,
        "digits": 1,
    },
    "classes_halved": {
        "title": "Classes lost to noise",
        "note": "How many classes end below half of what the same loss with the same seed reaches for them "
        "without noise. A loss that learns few has few to lose.",
        "lower": None,
        "digits": 1,
    },
}
_COSTS: dict[str, dict[str, Any]] = {
    "noise_share": {
        "title": "Realized noise",
        "note": "Percent of the training pixels whose label the noise changed.",
        "lower": None,
    },
    "seconds": {"title": "Seconds of training", "lower": None, "digits": 0},
    "peak_rss_mb": {"title": "Peak memory, MB", "lower": None, "digits": 0},
    "peak_cuda_mb": {"title": "Peak CUDA memory, MB", "lower": None, "digits": 0},
}


def number(value: Any, digits: int = 2) -> str:
    """A number as text; ``-`` for one that is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def result_tables(results: Results) -> list[ResultTable]:
    """The tables of the report, the one that losses are compared by first; those without any value are left
    out."""
    metrics, summary = results.metrics, results.summary

    def shown(columns: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {
            column: {"title": metrics.title(column), "lower": metrics.lower_is_better(column)}
            for column in columns
        }

    of_main = sorted(metrics.main_columns, key=lambda column: column != metrics.main_column)
    others = [metrics.column(metric) for metric in metrics.names[1:]]
    columns = {**shown(of_main), **_COUNTS, **shown(others), **_COSTS}
    return [
        result_table(summary, column, **how)
        for column, how in columns.items()
        if summary[f"{column} n"].sum()
    ]


def class_tables(classes: pd.DataFrame) -> list[Table]:
    """Per setting a table of classes by losses: means over the seeds.

    Args:
        classes: of :func:`anl_seg.study.report.frames.class_frame`.
    """
    tables = []
    for setting, rows in classes.groupby("setting", sort=False):
        losses = list(dict.fromkeys(rows["loss"]))
        texts = []
        for name, of_class in rows.groupby("class", sort=False):
            means = [mean_of_known(of_class["value"][of_class["loss"] == loss]) for loss in losses]
            texts.append([str(name), *(number(mean, 1) for mean in means)])
        tables.append(Table(["class", *losses], texts, title=str(setting)))
    return tables


def axes_of(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """What varied in a study: axis and its values in words."""
    found = []
    for axis in ("model", "options", "loss", "noise", "strength", "seed"):
        texts = dict.fromkeys(strength_text(record.axes[axis]) for record in records)
        if values := " · ".join(text for text in texts if text):
            found.append((axis, values))
    return found


def rank_table(ranks: pd.DataFrame) -> Table:
    """The ranks as texts."""
    rows = [
        [
            row["loss"],
            number(row["mean rank"]),
            number(row["mean"]),
            f"{row['settings']} of {row['of']}",
        ]
        for row in ranks.to_dict("records")
    ]
    return Table(["loss", "mean rank", "mean", "settings that count"], rows)


def _verdict(row: dict[str, Any]) -> str:
    if row["verdict"] == "too few pairs" and row["pairs"]:
        return f"too few pairs (at best p = {number(row['smallest p'], 3)})"
    return row["verdict"]


@dataclass(frozen=True)
class Tests:
    """The tests against one loss.

    Attributes:
        reference: the loss.
        why: what it was chosen for.
        frame: of :func:`anl_seg.study.report.significance.paired_tests`.
    """

    reference: str
    why: str
    frame: pd.DataFrame

    @property
    def table(self) -> Table:
        """The tests as texts."""
        head = ["loss", "pairs", "won / lost / tied", "mean difference", "p", "p, Holm", "verdict"]
        rows = [
            [
                row["loss"],
                str(row["pairs"]),
                f"{row['wins']} / {row['losses']} / {row['ties']}",
                number(row["mean difference"]),
                number(row["p"], 4),
                number(row["p corrected"], 4),
                _verdict(row),
            ]
            for row in self.frame.to_dict("records")
        ]
        return Table(head, rows)


def all_tests(results: Results) -> list[Tests]:
    """Tests against the baseline of the study, if it names one, and against the loss that is ahead."""
    column, frame = results.metrics.main_column, results.ranked
    lower = results.metrics.lower_is_better(column)
    valued = frame[(frame["status"] == "finished") & frame[column].astype(float).notna()]
    if valued["loss"].nunique() < 2:
        return []
    by_mean = valued.groupby("loss", sort=False)[column].mean().sort_values(ascending=lower)
    ranked = results.ranks[results.ranks["mean rank"].notna()]
    best = str(ranked.iloc[0]["loss"]) if len(ranked) else str(by_mean.index[0])
    references = {best: "best mean rank" if len(ranked) else "best mean"}
    baseline = results.metrics.baseline
    if baseline is not None and baseline in set(valued["loss"]):
        references = {baseline: "the baseline of the study", **references}
    return [
        Tests(reference, why, paired_tests(frame, column, reference, lower=lower))
        for reference, why in references.items()
    ]


class RunRow(NamedTuple):
    """A row of the table of runs."""

    digest: str
    folder: str
    status: str
    cells: list[str]


def runs_table(results: Results) -> tuple[list[str], list[RunRow]]:
    """Head and rows of the table of runs."""
    metrics, frame = results.metrics, results.frame
    axes = ["loss", "noise", "strength", "seed"]
    axes = [axis for axis in ("model", "options") if frame[axis].nunique() > 1] + axes
    values = [*metrics.main_columns, *(metrics.column(metric) for metric in metrics.names[1:])]
    values += ["memorized", "corrected", "other", "noise_share"]
    values = [value for value in values if frame[value].astype(float).notna().any()]
    whole = [c for c in ("seconds", "peak_rss_mb", "peak_cuda_mb") if frame[c].notna().any()]
    rows = []
    for row in frame.to_dict("records"):
        cells = [row["status"], *(strength_text(row[axis]) for axis in axes), str(row["step"])]
        cells += [number(float(row[value])) for value in values]
        cells += [number(float(row[value]), 0) for value in whole]
        rows.append(RunRow(row["digest"], row["folder"], row["status"], cells))
    return ["status", *axes, "step", *values, *whole], rows


def config_texts(records: Sequence[RunRecord]) -> list[tuple[str, str, str]]:
    """Name, digest and configuration of the first run that recorded it, and of every other one the lines that
    differ from it."""
    known = [record for record in records if record.config]
    texts = [(record.name, record.digest, record.config) for record in known[:1]]
    for record in known[1:]:
        first, other = known[0].config.splitlines(), record.config.splitlines()
        lines = difflib.unified_diff(first, other, known[0].digest, record.digest, lineterm="", n=0)
        texts.append((record.name, record.digest, "\n".join(lines)))
    return texts


def ran_on(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Devices, hosts and commits that runs name."""
    found = {
        "devices": [r.resources.get("device") or r.environment.get("device") for r in records],
        "hosts": [a.get("host") for r in records for a in r.attempts],
        "commits of the runs": [r.environment.get("commit") for r in records],
        "Python": [r.environment.get("python") for r in records],
    }
    known = [(what, list(dict.fromkeys(filter(None, values)))) for what, values in found.items()]
    return [(what, ", ".join(values)) for what, values in known if values]


def page_content(results: Results, problems: Sequence[Problem]) -> dict[str, Any]:
    """All that the template shows but plots and pictures."""
    plan, records, metrics = results.plan, results.records, results.metrics
    column = metrics.main_column
    published, published_error = None, ""
    try:
        published = published_table(plan.get("published"), results.summary, column)
    except (ValueError, TypeError, KeyError) as error:
        published_error = sentence(error)
    runs_head, runs = runs_table(results)
    return {
        "name": plan["name"],
        "planned": len(records),
        "finished": len(results.finished),
        "failed": sum(record.status == "failed" for record in records),
        "axes": axes_of(records),
        "seeds": results.frame["seed"].nunique(),
        "metrics": metrics.names,
        "column": column,
        "lower": metrics.lower_is_better(column),
        "last_k": metrics.last_k,
        "stop_by": metrics.stop_by,
        "problems": problems,
        "results": result_tables(results),
        "classes": class_tables(results.classes),
        "diagnostics": diagnostics_tables(results),
        "published": published or bool(published_error),
        "published_error": published_error,
        "ranks": rank_table(results.ranks),
        "tests": all_tests(results),
        "alpha": ALPHA,
        "runs_head": runs_head,
        "runs": runs,
        "study_file": plan.get("study_file", "unknown"),
        "study_text": plan.get("study_text", ""),
        "commit": plan.get("commit"),
        "versions": sorted((plan.get("versions") or {}).items()),
        "ran_on": ran_on(records),
        "commands": [shlex.join(record.command) for record in records],
        "configs": config_texts(records),
    }
