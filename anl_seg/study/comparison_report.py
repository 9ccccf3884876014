"""The table of a comparison."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from anl_seg.study.escapes import markdown_table
from anl_seg.study.run_record import RunRecord, final_value, run_labels


def _mean_spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean and sample standard deviation (0 of one value); None where there is no value."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    spread = statistics.stdev(known) if len(known) > 1 else 0.0
    return {"mean": statistics.fmean(known), "std": spread}


def _best(record: RunRecord, metric: str) -> float:
    """The highest value of all validations; NaN where none has a number."""
    values = [v.get(metric, math.nan) for v in record.validations.values()]
    return max((value for value in values if math.isfinite(value)), default=math.nan)


def _memorized(record: RunRecord) -> float | None:
    share = record.memorization[-1].get("memorized_share") if record.memorization else None
    return None if share is None else 100.0 * share


def comparison_records(records: Sequence[RunRecord], metric: str) -> list[dict[str, Any]]:
    """One record per (noise, experiment), over the seeds.

    Args:
        records: finished runs.
        metric: the metric to rank by, in percent, for example ``mDice.fg``.

    Returns:
        Dicts with ``noise``, ``label``, ``seeds``, ``folders`` (relative to the work dir), and mean and
        standard deviation of ``final``, ``best``, ``memorized`` (percent of wrongly labeled training pixels
        predicted as their wrong label; None without such pixels) and of each class's final value
        (``classes``).

    Raises:
        ValueError: a run without a validation.
    """
    labels = run_labels([record.axes for record in records])
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record, label in zip(records, labels):
        groups.setdefault((record.noise_text, label), []).append(record)
    noises = list(dict.fromkeys(noise for noise, _ in groups))
    prefix = metric.removeprefix("m").removesuffix(".fg") + "."
    found = []
    for noise, label in sorted(groups, key=lambda key: noises.index(key[0])):
        group = groups[noise, label]
        final = [final_value(r, metric) for r in group]
        last = group[0].validations[max(group[0].validations)]
        found.append(
            {
                "noise": noise,
                "label": label,
                "seeds": [r.axes["seed"] for r in group],
                "folders": [r.folder for r in group],
                "final": _mean_spread(final),
                "best": _mean_spread([_best(r, metric) for r in group]),
                "memorized": _mean_spread([_memorized(r) for r in group]),
                "classes": {
                    name.removeprefix(prefix): _mean_spread([final_value(r, name) for r in group])
                    for name in last
                    if name.startswith(prefix)
                },
            }
        )
    return found


def value_cell(value: dict[str, float] | None, seeds: Sequence[int]) -> str:
    """A mean as a cell of a table, with its spread where there are several seeds; ``-`` for None."""
    if value is None:
        return "-"
    return f"{value['mean']:.1f}" + (f" ± {value['std']:.1f}" if len(seeds) > 1 else "")


def comparison_table(records: Sequence[dict[str, Any]], metric: str) -> str:
    """A Markdown table of :func:`comparison_records`, one line per record."""
    classes = list(records[0]["classes"])
    head = ["noise", "loss", f"final {metric}", f"best {metric}", "memorized %", *classes]
    rows = []
    for record in records:
        values = [record["final"], record["best"], record["memorized"]]
        values += [record["classes"].get(name) for name in classes]
        cells = [value_cell(v, record["seeds"]) for v in values]
        rows.append([record["noise"], record["label"], *cells])
    return markdown_table(head, rows)
