"""What ``LossDiagnosticsHook`` recorded in the runs of a study, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from anl_seg.study.run_record import RunRecord
from anl_seg.study.table_text import Texts
from anl_seg.study.tables import mean_of_known, setting_texts

#: Start and end of a training: this share of its records, one at least.
_END = 0.2
#: Column -> key of a record, factor, digits.
_COLUMNS = {
    "pull": ("pull", 1, 3),
    "gradient, %": ("gradient", 100, 1),
    "probability": ("prob", 1, 2),
    "flat, %": ("flat", 100, 0),
    "logit scale": ("logit_scale", 1, 1),
}


@dataclass(frozen=True)
class Diagnostics:
    """What the losses did to the rarest class in one setting.

    Attributes:
        title: the setting.
        note: which class it is, and whose labels count.
        table: a row per loss, and per part where a run has several.
    """

    title: str
    note: str
    table: Texts


def _rarest(lines: Sequence[dict]) -> tuple[int, float]:
    """The class with the smallest share of the pixels, of those that have any, and its share."""
    shares = [mean_of_known(values) for values in zip(*(line["pixels"] for line in lines))]
    share, index = min(((v, k) for k, v in enumerate(shares) if v > 0), default=(0.0, 0))
    return index, share


def _ends(lines: Sequence[dict], key: str, index: int) -> list[float]:
    """A quantity at the start and at the end of one run."""
    values = [line[key] if key == "logit_scale" else line[key][index] for line in lines]
    count = max(1, round(_END * len(values)))
    return [mean_of_known(values[:count]), mean_of_known(values[-count:])]


def _cell(ends: Sequence[Sequence[float]], factor: float, digits: int) -> str:
    """``start → end``, each the mean over runs; ``-`` for what no run has."""
    means = [mean_of_known(of_runs) for of_runs in zip(*ends)]
    told = ["-" if math.isnan(v) else f"{factor * v:.{digits}f}" for v in means]
    return " → ".join(told) if set(told) != {"-"} else "-"


def diagnostics_tables(records: Sequence[RunRecord], frame: pd.DataFrame) -> list[Diagnostics]:
    """A table per setting whose finished runs have records of ``LossDiagnosticsHook``.

    Args:
        records: the runs.
        frame: of :func:`anl_seg.study.tables.frame_of`, a row per run in the same order.
    """
    found: dict[str, dict[str, list[list[dict]]]] = {}
    for setting, record in zip(setting_texts(frame), records):
        if record.status != "finished" or not record.diagnostics:
            continue
        parts: dict[str, list[dict]] = {}
        for line in record.diagnostics:
            parts.setdefault(line["loss"], []).append(line)
        for path, lines in parts.items():
            label = record.axes["loss"]
            label += f", {path.rsplit('loss_decode', 1)[-1].lstrip('.')}" if len(parts) > 1 else ""
            found.setdefault(setting, {}).setdefault(label, []).append(lines)
    tables = []
    for setting, losses in found.items():
        lines = [line for runs in losses.values() for run in runs for line in run]
        index, share = _rarest(lines)
        by = " or ".join(sorted({line["by"] for line in lines}))
        rows = []
        for label, runs in losses.items():
            cells = [
                _cell([_ends(run, key, index) for run in runs], factor, digits)
                for key, factor, digits in _COLUMNS.values()
            ]
            rows.append([label, str(len(runs)), *cells])
        note = f"Class {index}, {100 * share:.1f} % of the pixels, by {by} label."
        tables.append(Diagnostics(setting, note, Texts(["loss", "runs", *_COLUMNS], rows)))
    return tables
