"""What the page of a study says: tables as texts, from its plan, runs and summary."""

from __future__ import annotations

import difflib
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from anl_seg._suggest import sentence
from anl_seg.study.class_tables import class_tables
from anl_seg.study.class_values import UNLEARNED
from anl_seg.study.diagnostics_table import diagnostics_tables
from anl_seg.study.problems import Problem
from anl_seg.study.published import published_table
from anl_seg.study.run_record import RunRecord, metric_names, strength_text
from anl_seg.study.significance import ALPHA, paired_tests, rank_frame
from anl_seg.study.table_text import Grid, Texts, grid
from anl_seg.study.tables import kinds_of, lower_is_better, main_column, main_kind

_WRONG = "Percent of the wrongly labelled training pixels that the trained model predicts as "
_SHARE_NOTES = {
    "memorized": f"{_WRONG}their wrong label. A model that predicts one class only "
    "repeats few: that is told as collapsed, and is not the best.",
    "corrected": f"{_WRONG}their true class.",
    "other": f"{_WRONG}neither.",
}
_COUNT_NOTES = {
    "classes_unlearned": f"How many classes end below {UNLEARNED:.0f} %.",
    "classes_halved": "How many classes end below half of what the same loss with the same seed reaches for "
    "them without noise. A loss that learns few has few to lose.",
}
_TITLES = {
    "memorized": "Memorised",
    "corrected": "Corrected",
    "other": "Neither",
    "classes_unlearned": "Classes not learned",
    "classes_halved": "Classes lost to noise",
    "noise_share": "Realised noise",
    "seconds": "Seconds of training",
    "peak_rss_mb": "Peak memory, MB",
    "peak_cuda_mb": "Peak CUDA memory, MB",
}


@dataclass(frozen=True)
class Result:
    """A table of losses by settings.

    Attributes:
        column: of the runs.
        title: heading.
        note: what the numbers are; may be empty.
        grid: its cells.
        digits: after the decimal point.
    """

    column: str
    title: str
    note: str
    grid: Grid
    digits: int


def number(value: Any, digits: int = 2) -> str:
    """A number as text; ``-`` for one that is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _metric_title(column: str, metrics: Mapping[str, Any]) -> str:
    """``last_k mIoU`` in words."""
    kind, metric = column.split(" ", 1)
    kinds = {
        "final": "last validation",
        "best": "best validation",
        "stopped": f"validation where {metrics.get('stop_by')} is best",
        "last_k": f"mean of the last {metrics.get('last_k', 1)} validations",
    }
    return f"{metric}, {kinds[kind]}"


def result_tables(plan: Mapping[str, Any], summary: pd.DataFrame) -> list[Result]:
    """The tables of the report, the one that losses are compared by first; those without any value are left
    out."""
    metrics = plan["metrics"]
    main, *others = metric_names(plan)
    first = main_column(plan)
    columns = [
        first,
        *(f"{kind} {main}" for kind in kinds_of(metrics) if f"{kind} {main}" != first),
    ]
    columns += [
        *_SHARE_NOTES,
        *_COUNT_NOTES,
        *(f"{main_kind(metrics)} {metric}" for metric in others),
    ]
    columns += ["noise_share", "seconds", "peak_rss_mb", "peak_cuda_mb"]
    notes = {
        **_SHARE_NOTES,
        **_COUNT_NOTES,
        "noise_share": "Percent of the training pixels whose label the noise changed.",
    }
    results = []
    for column in columns:
        if not summary[f"{column} n"].sum():
            continue
        is_metric = " " in column
        lower: bool | None = lower_is_better(column, metrics) if is_metric else None
        if column in ("memorized", "classes_unlearned"):
            lower = True
        table = grid(summary, column, lower=lower)
        title = _TITLES.get(column) or _metric_title(column, metrics)
        digits = 1 if column in _COUNT_NOTES else 2 if is_metric or column in notes else 0
        results.append(Result(column, title, notes.get(column, ""), table, digits))
    return results


def axes_of(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """What varied in a study: axis and its values in words."""
    found = []
    for axis in ("model", "options", "loss", "noise", "strength", "seed"):
        values = [record.axes[axis] for record in records]
        texts = dict.fromkeys(strength_text(v) if axis == "strength" else str(v) for v in values)
        told = [text for text in texts if text]
        if told:
            found.append((axis, " · ".join(told)))
    return found


def rank_table(ranks: pd.DataFrame) -> Texts:
    """The ranks as texts."""
    rows = [
        [
            row["loss"],
            number(row["mean rank"]),
            number(row["mean"]),
            f"{row['settings']} of {row['of']}",
        ]
        for _, row in ranks.iterrows()
    ]
    return Texts(["loss", "mean rank", "mean", "settings that count"], rows)


@dataclass(frozen=True)
class Tests:
    """The tests against one loss."""

    reference: str
    why: str
    frame: pd.DataFrame

    @property
    def head(self) -> list[str]:
        """Heads of the columns."""
        return ["loss", "pairs", "won / lost / tied", "mean difference", "p", "p, Holm", "verdict"]

    @property
    def rows(self) -> list[list[str]]:
        """Texts."""
        return [
            [
                row["loss"],
                str(row["pairs"]),
                f"{row['wins']} / {row['losses']} / {row['ties']}",
                number(row["mean difference"]),
                number(row["p"], 4),
                number(row["p corrected"], 4),
                row["verdict"]
                + (
                    f" (at best p = {number(row['smallest p'], 3)})"
                    if row["verdict"] == "too few pairs" and row["pairs"]
                    else ""
                ),
            ]
            for _, row in self.frame.iterrows()
        ]


def all_tests(plan: Mapping[str, Any], frame: pd.DataFrame, ranks: pd.DataFrame) -> list[Tests]:
    """Tests against the baseline of the study, if it names one, and against the loss that is ahead."""
    column = main_column(plan)
    lower = lower_is_better(column, plan["metrics"])
    finished = frame[frame["status"] == "finished"]
    valued = finished[finished[column].astype(float).notna()]
    if valued["loss"].nunique() < 2:
        return []
    by_mean = valued.groupby("loss", sort=False)[column].mean().sort_values(ascending=lower)
    ranked = ranks[ranks["mean rank"].notna()]
    best = str(ranked.iloc[0]["loss"]) if len(ranked) else str(by_mean.index[0])
    why = "best mean rank" if len(ranked) else "best mean"
    references = {best: why}
    baseline = plan["metrics"].get("baseline")
    if baseline in set(valued["loss"]):
        references = {baseline: "the baseline of the study", **references}
    return [
        Tests(reference, why, paired_tests(frame, column, reference, lower=lower))
        for reference, why in references.items()
    ]


def runs_table(plan: Mapping[str, Any], frame: pd.DataFrame, records: Sequence[RunRecord]) -> Texts:
    """The table of runs: rows of (digest, folder, status, cells)."""
    metrics = metric_names(plan)
    kinds = kinds_of(plan["metrics"])
    axes = ["loss", "noise", "strength", "seed"]
    axes = [axis for axis in ("model", "options") if frame[axis].nunique() > 1] + axes
    values = [f"{kind} {main}" for main in metrics[:1] for kind in kinds]
    values += [f"{main_kind(plan['metrics'])} {metric}" for metric in metrics[1:]]
    values += ["memorized", "corrected", "other", "noise_share"]
    values = [value for value in values if frame[value].astype(float).notna().any()]
    whole = [c for c in ("seconds", "peak_rss_mb", "peak_cuda_mb") if frame[c].notna().any()]
    head = ["status", *axes, "step", *values, *whole]
    rows = []
    for (_, row), record in zip(frame.iterrows(), records):
        cells = [record.status, *(strength_text(row[axis]) for axis in axes), str(row["step"])]
        cells += [number(float(row[value])) for value in values]
        cells += [number(float(row[value]), 0) for value in whole]
        rows.append([record.digest, record.folder, record.status, cells])
    return Texts(head, rows)


@dataclass(frozen=True)
class ConfigText:
    """A run's configuration, or what differs in it from the first."""

    name: str
    digest: str
    text: str


def config_texts(records: Sequence[RunRecord]) -> list[ConfigText]:
    """The first recorded configuration in full, and of every other one the lines that differ from it."""
    known = [record for record in records if record.config]
    if not known:
        return []
    first = known[0]
    texts = [ConfigText(first.name, first.digest, first.config)]
    lines = first.config.splitlines()
    for record in known[1:]:
        difference = difflib.unified_diff(
            lines, record.config.splitlines(), first.digest, record.digest, lineterm="", n=0
        )
        texts.append(ConfigText(record.name, record.digest, "\n".join(difference)))
    return texts


def ran_on(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Devices, hosts and commits that runs name."""
    found = {
        "devices": [r.resources.get("device") or r.environment.get("device") for r in records],
        "hosts": [a.get("host") for r in records for a in r.attempts],
        "commits of the runs": [r.environment.get("commit") for r in records],
        "Python": [r.environment.get("python") for r in records],
    }
    told = [
        (what, ", ".join(dict.fromkeys(v for v in values if v))) for what, values in found.items()
    ]
    return [(what, text) for what, text in told if text]


def page_content(
    plan: Mapping[str, Any],
    records: Sequence[RunRecord],
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    classes: pd.DataFrame,
    problems: Sequence[Problem],
) -> dict[str, Any]:
    """All that the template shows but plots and pictures."""
    column = main_column(plan)
    lower = lower_is_better(column, plan["metrics"])
    ranked = frame
    if lower:  # what collapsed is not ahead by a small value
        ranked = frame.assign(**{column: frame[column].astype(float).mask(frame["collapsed"])})
    ranks = rank_frame(ranked, column, lower=lower)
    published, published_error = None, ""
    try:
        published = published_table(plan.get("published"), summary, column)
    except (ValueError, TypeError, KeyError) as error:
        published_error = sentence(error)
    return {
        "name": plan["name"],
        "planned": len(records),
        "finished": sum(record.status == "finished" for record in records),
        "failed": sum(record.status == "failed" for record in records),
        "axes": axes_of(records),
        "seeds": frame["seed"].nunique(),
        "metrics": metric_names(plan),
        "column": column,
        "lower": lower,
        "last_k": plan["metrics"].get("last_k", 1),
        "stop_by": plan["metrics"].get("stop_by"),
        "problems": problems,
        "results": result_tables(plan, summary),
        "classes": class_tables(classes),
        "diagnostics": diagnostics_tables(records, frame),
        "published": published or bool(published_error),
        "published_error": published_error,
        "ranks": rank_table(ranks),
        "rank_frame": ranks,
        "tests": all_tests(plan, ranked, ranks),
        "alpha": ALPHA,
        "runs": runs_table(plan, frame, records),
        "study_file": plan.get("study_file", "unknown"),
        "study_text": plan.get("study_text", ""),
        "commit": plan.get("commit"),
        "versions": sorted((plan.get("versions") or {}).items()),
        "ran_on": ran_on(records),
        "commands": [shlex.join(record.command) for record in records],
        "configs": config_texts(records),
    }
