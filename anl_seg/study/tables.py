"""Tables of a study: a row per run, and a row per loss and setting over the seeds (pandas)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from anl_seg.study.class_values import is_collapsed, lost_classes
from anl_seg.study.run_record import SHARES, RunRecord, metric_names, read_study, strength_text

#: Columns that say which setting a run belongs to; seeds of one setting and loss are repetitions.
SETTING = ["model", "options", "noise", "strength"]
KINDS = ("final", "best", "stopped", "last_k")
#: Columns of counts of classes.
CLASS_COUNTS = ("classes_unlearned", "classes_halved")
_MEGABYTE = 1e6


def lower_is_better(metric: str, metrics: Mapping[str, Any] | None = None) -> bool:
    """Whether small values of a metric are good: those the study lists, errors and losses.

    Args:
        metric: its name, with or without ``final``, ``best`` or ``last_k`` before it.
        metrics: ``metrics`` of the study, for its ``lower_is_better``.
    """
    name = metric.split(" ", 1)[-1]
    if name in (metrics or {}).get("lower_is_better", ()):
        return True
    # Of IoU.glossary only IoU tells what it is.
    kind = name.rsplit("/", 1)[-1].split(".", 1)[0]
    return kind == "ECE" or "error" in kind.lower() or "loss" in kind.lower()


def kinds_of(metrics: Mapping[str, Any]) -> list[str]:
    """Those of ``KINDS`` that a study tells apart, by its ``metrics``."""
    told = {"stopped": metrics.get("stop_by"), "last_k": metrics.get("last_k", 1) > 1}
    return [kind for kind in KINDS if told.get(kind, True)]


def main_kind(metrics: Mapping[str, Any]) -> str:
    """What of a metric losses are compared by: its mean over the last k validations, or, where k is 1,
    its final value (which is the same)."""
    return "last_k" if "last_k" in kinds_of(metrics) else "final"


def main_column(plan: Mapping[str, Any]) -> str:
    """The column that losses are compared by: :func:`main_kind` of the main metric."""
    return f"{main_kind(plan['metrics'])} {plan['metrics']['main']}"


def mean_of_known(values: Sequence[float | None]) -> float:
    """The mean of those values that are neither None nor NaN; NaN without one."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def best_step(
    validations: Mapping[int, Mapping[str, float]], metric: str, lower: bool = False
) -> int | None:
    """The step of the first validation at which a metric is best; None where it has no value.

    Args:
        validations: step -> metrics.
        metric: its name.
        lower: whether the best value is the lowest.
    """
    known = {
        step: values[metric]
        for step, values in sorted(validations.items())
        if not math.isnan(values.get(metric, math.nan))
    }
    return (min if lower else max)(known, key=known.get, default=None)


def metric_values(
    validations: Mapping[int, Mapping[str, float]], metric: str, last_k: int, lower: bool = False
) -> dict[str, float]:
    """Final, best and last-k-mean value of a metric; NaN where there is none.

    Args:
        validations: step -> metrics.
        metric: its name.
        last_k: number of validations that ``last_k`` is the mean of, fewer if there are fewer;
            values that are NaN are left out.
        lower: whether the best value is the lowest.
    """
    values = [validations[step].get(metric, math.nan) for step in sorted(validations)]
    best = best_step(validations, metric, lower)
    return {
        "final": values[-1] if values else math.nan,
        "best": math.nan if best is None else validations[best][metric],
        "last_k": mean_of_known(values[-last_k:]),
    }


def _megabytes(count: float | None) -> float:
    return math.nan if count is None else count / _MEGABYTE


def _row(record: RunRecord, metrics: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    axes = record.axes
    finished = record.status == "finished"
    row: dict[str, Any] = {
        "digest": record.digest,
        "folder": record.folder,
        **{name: axes[name] for name in ("model", "options", "noise")},
        "strength": axes["strength"]
        if isinstance(axes["strength"], (int, float))
        else strength_text(axes["strength"]) or None,
        "loss": axes["loss"],
        "seed": axes["seed"],
        "status": record.status,
        "reason": record.reason,
        "attempts": len(record.attempts),
        "validations": len(record.validations),
        "step": max(record.validations, default=0),
    }
    # A run that has not finished has no final value: what it logged so far would pass for one.
    validations = record.validations if finished else {}
    stop_by, stop = metrics.get("stop_by"), None
    if stop_by:
        stop = row["stop_step"] = best_step(validations, stop_by, lower_is_better(stop_by, metrics))
    for name in names:
        lower = lower_is_better(name, metrics)
        values = metric_values(validations, name, metrics.get("last_k", 1), lower)
        if stop_by:
            values["stopped"] = validations.get(stop, {}).get(name, math.nan)
        row.update({f"{kind} {name}": value for kind, value in values.items()})
    last = record.memorization[-1] if record.memorization and finished else {}
    for key, name in SHARES.items():
        share = last.get(key)
        row[name] = math.nan if share is None else 100 * share
    row["noise_share"] = math.nan if record.noise_share is None else 100 * record.noise_share
    seconds = [attempt["seconds"] for attempt in record.attempts if attempt.get("seconds")]
    row["seconds"] = record.resources.get("seconds", math.fsum(seconds) if seconds else math.nan)
    row["peak_rss_mb"] = _megabytes(record.resources.get("peak_rss_bytes"))
    row["peak_cuda_mb"] = _megabytes(record.resources.get("peak_cuda_bytes"))
    last_attempt = record.attempts[-1] if record.attempts else {}
    row["device"] = record.resources.get("device") or last_attempt.get("device")
    row["host"] = last_attempt.get("host")
    row["commit"] = record.environment.get("commit")
    return row


def frame_of(plan: Mapping[str, Any], records: Sequence[RunRecord]) -> pd.DataFrame:
    """:func:`runs_frame` of what was read already."""
    rows = [_row(record, plan["metrics"], metric_names(plan)) for record in records]
    for row, counts in zip(rows, lost_classes(records, plan["metrics"]["main"])):
        row.update(zip(CLASS_COUNTS, counts))
    for row, record in zip(rows, records):
        row["collapsed"] = is_collapsed(record, plan["metrics"]["main"])
    frame = pd.DataFrame(rows)
    # Numbers and texts side by side: pandas would turn 1 into 1.0 and None into nan.
    strengths = pd.Series([row["strength"] for row in rows], dtype=object)
    return frame.assign(strength=strengths)


def runs_frame(work_dir: str | Path) -> pd.DataFrame:
    """One row per planned run, in the order of the plan.

    NaN is what is not known; metrics and shares of runs that have not finished are not. Columns:

    - ``digest``; ``folder``, relative to the work dir;
    - ``model``, ``options``, ``noise``, ``strength`` (a number, a text, or None), ``loss``, ``seed``;
    - ``status``, ``reason`` (of a failure), ``attempts``;
    - ``validations`` (how many) and ``step`` (of the last one);
    - for each metric M of the study ``final M``, ``best M`` (of all validations), ``last_k M`` (mean
      of the last k) and, if the study has ``stop_by``, ``stopped M`` (at the validation where that is
      best, whose step is ``stop_step``);
    - ``memorized``, ``corrected``, ``other``: percent of the wrongly labelled training pixels, at the
      end; ``right_correct``: percent of the rightly labelled ones;
    - ``classes_unlearned``, ``classes_halved``: numbers of classes, see
      :func:`anl_seg.study.class_values.lost_classes`; ``collapsed``: whether it predicts one class only;
    - ``noise_share``: percent of the training pixels that the noise changed;
    - ``seconds``: of training; of all attempts where ``ResourceHook`` did not run;
    - ``peak_rss_mb``, ``peak_cuda_mb``: in megabytes of 10^6 bytes; ``device``, ``host``, ``commit``.

    Raises:
        FileNotFoundError, ValueError: see :func:`anl_seg.study.run_record.read_study`.
    """
    return frame_of(*read_study(work_dir))


def value_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of :func:`runs_frame` that are means over seeds in :func:`summary_frame`."""
    measured = [c for c in frame.columns if c.split(" ", 1)[0] in KINDS and " " in c]
    rest = [
        *SHARES.values(),
        *CLASS_COUNTS,
        "noise_share",
        "seconds",
        "peak_rss_mb",
        "peak_cuda_mb",
    ]
    return [*measured, *rest]


def groups(frame: pd.DataFrame, keys: Sequence[str]) -> list[tuple[tuple, pd.DataFrame]]:
    """Rows with the same values of ``keys``, None included, in the order of their first appearance."""
    found: dict[tuple, list[int]] = {}
    for position, values in enumerate(zip(*(frame[key] for key in keys))):
        found.setdefault(values, []).append(position)
    return [(values, frame.iloc[positions]) for values, positions in found.items()]


def summary_frame(frame: pd.DataFrame, values: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per model, options, noise, strength and loss, over the seeds of finished runs.

    Columns: these five; ``planned`` and ``finished`` (numbers of runs), ``runs`` (digests of the
    finished ones, with spaces between), ``collapsed`` (how many of these predict one class only);
    for each value V ``V mean``, ``V std`` (sample standard deviation, n - 1; NaN of one value) and
    ``V n`` (how many finished runs have the value).

    Args:
        frame: of :func:`runs_frame`.
        values: columns to summarise; None = all that are measured.

    Raises:
        KeyError: a column that is not there.
    """
    values = value_columns(frame) if values is None else list(values)
    missing = [value for value in values if value not in frame]
    if missing:
        raise KeyError(f"no column {missing[0]!r} among {', '.join(frame.columns)}.")
    rows = []
    keys = [*SETTING, "loss"]
    for names, group in groups(frame, keys):
        finished = group[group["status"] == "finished"]
        row: dict[str, Any] = dict(zip(keys, names))
        row["planned"], row["finished"] = len(group), len(finished)
        row["runs"] = " ".join(finished["digest"])
        row["collapsed"] = int(finished["collapsed"].sum()) if "collapsed" in group else 0
        for value in values:
            known = finished[value].astype(float).dropna()
            row[f"{value} mean"] = known.mean() if len(known) else math.nan
            row[f"{value} std"] = known.std(ddof=1) if len(known) > 1 else math.nan
            row[f"{value} n"] = len(known)
        rows.append(row)
    strengths = pd.Series([row["strength"] for row in rows], dtype=object)
    return pd.DataFrame(rows).assign(strength=strengths)


def setting_texts(frame: pd.DataFrame) -> list[str]:
    """Each row's setting in words: noise and strength, and model and options where they vary."""
    parts = []
    for key in ("model", "options"):
        if frame[key].nunique() > 1:
            parts.append([str(value) for value in frame[key]])
    noises = [
        f"{noise} {strength_text(strength)}".strip()
        for noise, strength in zip(frame["noise"], frame["strength"])
    ]
    return [" | ".join(texts) for texts in zip(*parts, noises)]
