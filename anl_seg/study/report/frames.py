"""Tables of a study: a row per run, and a row per loss and setting over the seeds (pandas)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from anl_seg.study.metrics import KINDS, Metrics
from anl_seg.study.report.class_values import class_values, is_collapsed, lost_classes
from anl_seg.study.run_record import SHARES, RunRecord, noise_text, read_study, strength_text

#: Columns that say which setting a run belongs to; seeds of one setting and loss are repetitions.
SETTING = ["model", "options", "noise", "strength"]
#: Columns of counts of classes.
CLASS_COUNTS = ("classes_unlearned", "classes_halved")
_MEGABYTE = 1e6


def _megabytes(count: float | None) -> float:
    return math.nan if count is None else count / _MEGABYTE


def _row(record: RunRecord, metrics: Metrics) -> dict[str, Any]:
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
    if metrics.stop_by:
        row["stop_step"] = metrics.best_step(validations, metrics.stop_by)
    for name in metrics.names:
        row.update(metrics.columns_of(validations, name))
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


def _with_strengths(rows: list[dict[str, Any]], index: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as a frame. Strengths are numbers, texts and None side by side: pandas would turn 1 into 1.0 and
    None into NaN."""
    frame = pd.DataFrame(rows, index=index)
    strengths = pd.Series([row["strength"] for row in rows], index=frame.index, dtype=object)
    return frame.assign(strength=strengths)


def frame_of(records: Sequence[RunRecord], metrics: Metrics) -> pd.DataFrame:
    """:func:`runs_frame` of what was read already."""
    lost = lost_classes(records, metrics)
    rows = []
    for record in records:
        counts = dict(zip(CLASS_COUNTS, lost[record.folder]))
        rows.append({**_row(record, metrics), **counts, "collapsed": is_collapsed(record, metrics)})
    return _with_strengths(rows, index=[record.folder for record in records])


def runs_frame(work_dir: str | Path) -> pd.DataFrame:
    """One row per planned run, in the order of the plan; its folder is the index too.

    NaN is what is not known; metrics and shares of runs that have not finished are not. Columns:

    - ``digest``; ``folder``, relative to the work dir;
    - ``model``, ``options``, ``noise``, ``strength`` (a number, a text, or None), ``loss``, ``seed``;
    - ``status``, ``reason`` (of a failure), ``attempts``;
    - ``validations`` (how many) and ``step`` (of the last one);
    - for each metric M of the study ``final M``, ``best M`` (of all validations), ``last_k M`` (mean
      of the last k) and, if the study has ``stop_by``, ``stopped M`` (at the validation where that is
      best, whose step is ``stop_step``);
    - ``memorized``, ``corrected``, ``other``: percent of the wrongly labeled training pixels, at the
      end; ``right_correct``: percent of the rightly labeled ones;
    - ``classes_unlearned``, ``classes_halved``: numbers of classes, see
      :func:`anl_seg.study.report.class_values.lost_classes`;
    - ``collapsed``: whether it predicts one class only;
    - ``noise_share``: percent of the training pixels that the noise changed;
    - ``seconds``: of training; of all attempts where ``ResourceHook`` did not run;
    - ``peak_rss_mb``, ``peak_cuda_mb``: in megabytes of 10^6 bytes; ``device``, ``host``, ``commit``.

    Raises:
        FileNotFoundError, ValueError: see :func:`anl_seg.study.run_record.read_study`.
    """
    plan, records = read_study(work_dir)
    return frame_of(records, Metrics.of(plan["metrics"]))


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
        values: columns to summarize; None = all that are measured.

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
    return _with_strengths(rows)


def setting_texts(frame: pd.DataFrame) -> pd.Series:
    """Each row's setting in words: noise and strength, and model and options where they vary."""
    varied = [key for key in ("model", "options") if frame[key].nunique() > 1]
    texts = [
        " | ".join([*(str(row[key]) for key in varied), noise_text(row)])
        for row in frame[SETTING].to_dict("records")
    ]
    return pd.Series(texts, index=frame.index, dtype=object)


def class_frame(
    records: Iterable[RunRecord], frame: pd.DataFrame, metrics: Metrics
) -> pd.DataFrame:
    """One row per finished run and class: the run's digest and axes, its ``setting`` in words, ``class``
    and ``value``, percent at the end.

    Args:
        records: runs of a study.
        frame: of :func:`runs_frame`.
        metrics: of the study.
    """
    axes = ["digest", *SETTING, "loss", "seed"]
    known = frame[axes].astype(object).assign(setting=setting_texts(frame))
    rows = [
        [*known.loc[record.folder], name, value]
        for record in records
        for name, value in class_values(record, metrics).items()
    ]
    return pd.DataFrame(rows, columns=[*axes, "setting", "class", "value"])
