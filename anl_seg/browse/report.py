"""The statistics of a data set as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import formatting
from .data_statistics import DataStatistics

#: Up to so many classes the whole confusion matrix is printed.
_WHOLE_MATRIX = 12


def statistics_tables(statistics: DataStatistics, names: Sequence[str]) -> RenderableType:
    """Totals, a line per class, and the confusion matrix where it is small.

    Args:
        statistics: of a data set.
        names: of its classes.
    """
    parts: list[RenderableType] = [_totals(statistics), _classes(statistics, names)]
    present = _present(statistics)
    if len(present) <= _WHOLE_MATRIX:
        parts.append(_matrix(statistics, names, present))
    else:
        parts.append(
            Text(f"{len(present)} classes: the confusion matrix is in stats.json and stats.png.")
        )
    return Group(*parts)


def _present(statistics: DataStatistics) -> list[int]:
    return formatting.present_classes(statistics.total)


def _totals(statistics: DataStatistics) -> Table:
    images = statistics.per_image()
    table = Table(title="changed pixels, of valid pixels", title_justify="left", min_width=46)
    table.add_column("over")
    table.add_column("share", justify="right")
    table.add_row("all pixels together", formatting.percent(statistics.total.changed_share))
    table.add_row("samples, mean", formatting.percent(images["mean"]))
    table.add_row("samples, standard deviation", formatting.percent(images["std"]))
    table.add_row(
        "samples, least / median / most",
        " / ".join(formatting.percent(images[name]) for name in ("min", "median", "max")),
    )
    table.add_section()
    counted, total = len(statistics.samples), statistics.samples_total
    table.add_row("samples counted", f"{counted} of {total}")
    table.add_row("samples unchanged", str(images["unchanged_samples"]))
    if images["samples_without_valid_pixels"]:
        table.add_row("samples without a valid pixel", str(images["samples_without_valid_pixels"]))
    return table


def _classes(statistics: DataStatistics, names: Sequence[str]) -> Table:
    confusion = statistics.total.confusion
    pixels = max(int(confusion.sum()), 1)
    table = Table(title="classes", title_justify="left")
    table.add_column("class")
    headings = ("clean, of all", "noisy, of all", "changed, of clean", "Dice")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("most often becomes")
    for label in _present(statistics):
        row = confusion[label]
        clean, kept = int(row.sum()), int(row[label])
        lost = (clean - kept) / clean if clean else float("nan")
        table.add_row(
            Text(names[label]),
            formatting.percent(clean / pixels),
            formatting.percent(int(confusion[:, label].sum()) / pixels),
            formatting.percent(lost),
            formatting.dice(statistics.total.dice[label]),
            Text(_target(row, label, names)),
        )
    return table


def _target(row: np.ndarray, label: int, names: Sequence[str]) -> str:
    wrong = row.copy()
    wrong[label] = 0
    if not wrong.any():
        return "-"
    target = int(wrong.argmax())
    return f"{names[target]} ({formatting.percent(int(wrong[target]) / int(row.sum()))})"


def _matrix(statistics: DataStatistics, names: Sequence[str], present: Sequence[int]) -> Table:
    table = Table(
        title="confusion, % of each clean class (rows: clean, columns: noisy)",
        title_justify="left",
    )
    table.add_column("")
    for label in present:
        table.add_column(Text(names[label]), justify="right")
    for label in present:
        row = statistics.total.confusion[label]
        clean = int(row.sum())
        shares = [f"{100 * int(row[k]) / clean:.2f}" if clean else "-" for k in present]
        table.add_row(Text(names[label]), *shares)
    return table
