"""Tables of a comparison."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from anl_seg.study.collect import collect_run
from anl_seg.study.escapes import markdown_table
from anl_seg.study.plan import Run


def _mean_spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean and sample standard deviation (0 of one value); None where there is no value."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "std": spread}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def comparison_records(runs: Sequence[Run], metric: str) -> list[dict]:
    """One record per (noise, config), over the seeds.

    Args:
        runs: finished runs.
        metric: the metric to rank by, in percent, for example ``mDice.fg``.

    Returns:
        Dicts with ``noise``, ``label``, ``seeds``, ``folders``, and mean and standard deviation of
        ``final``, ``best``, ``memorized`` (percent of wrongly labelled training pixels predicted as
        their wrong label; None without such pixels) and of each class's final value (``classes``).
    """
    records = []
    noises = list(dict.fromkeys(run.noise for run in runs))
    pairs = dict.fromkeys((run.noise, run.label) for run in runs)
    for noise, label in sorted(pairs, key=lambda pair: noises.index(pair[0])):
        group = [run for run in runs if (run.noise, run.label) == (noise, label)]
        results = [collect_run(run.folder, metric) for run in group]
        per_class = metric.removeprefix("m").removesuffix(".fg") + "."
        names = [
            k
            for k in results[0].validations[max(results[0].validations)]
            if k.startswith(per_class)
        ]
        records.append(
            {
                "noise": noise,
                "label": label,
                "seeds": [run.seed for run in group],
                "folders": [str(run.folder) for run in group],
                "final": _mean_spread([r.final(metric) for r in results]),
                "best": _mean_spread([r.best(metric) for r in results]),
                "memorized": _mean_spread(
                    [_percent(r.memorization["memorized_share"]) for r in results]
                ),
                "classes": {
                    name[len(per_class) :]: _mean_spread([r.final(name) for r in results])
                    for name in names
                },
            }
        )
    return records


def value_cell(value: dict | None, seeds: Sequence[int]) -> str:
    """A mean as a cell of a table, with its spread where there are several seeds; ``-`` for None."""
    if value is None:
        return "-"
    return f"{value['mean']:.1f}" + (f" ± {value['std']:.1f}" if len(seeds) > 1 else "")


def comparison_table(records: Sequence[dict], metric: str) -> str:
    """A Markdown table of :func:`comparison_records`, one line per record."""
    classes = list(records[0]["classes"])

    head = ["noise", "loss", f"final {metric}", f"best {metric}", "memorised %", *classes]
    rows = []
    for record in records:
        values = [record["final"], record["best"], record["memorized"]]
        values += [record["classes"].get(name) for name in classes]
        cells = [value_cell(v, record["seeds"]) for v in values]
        rows.append([record["noise"], record["label"], *cells])
    return markdown_table(head, rows)
