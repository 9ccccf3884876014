"""Summaries as tables to read: Markdown and LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from anl_seg.study.escapes import latex_escaped, markdown_table
from anl_seg.study.tables import setting_texts


@dataclass(frozen=True)
class Cell:
    """One cell of a table of losses by settings.

    Attributes:
        mean: NaN if no finished run has the value.
        std: sample standard deviation over seeds; NaN of one value.
        n: number of values.
        finished: number of finished runs.
        planned: number of planned runs.
        runs: digests of the finished runs.
        best: whether no other loss has a better mean in this setting, and at least one a worse; where small
            values are good, of those whose runs learned.
        collapsed: number of finished runs that predict one class only; 0 where the value does not hide
            that, as small is not good.
    """

    mean: float
    std: float
    n: int
    finished: int
    planned: int
    runs: tuple[str, ...] = ()
    best: bool = False
    collapsed: int = 0

    def text(self, digits: int = 2, plus_minus: str = "±") -> str:
        """``mean ± std (n)``: the spread where there are several values, n where some are missing."""
        if math.isnan(self.mean):
            return "-" if self.finished else "no run"
        text = f"{self.mean:.{digits}f}"
        if self.n > 1:
            text += f" {plus_minus} {self.std:.{digits}f}"
        if self.n != self.planned:
            text += f" ({self.n} of {self.planned})"
        return f"{text} [{self.collapsed} collapsed]" if self.collapsed else text


@dataclass(frozen=True)
class Grid:
    """A table of losses (rows) by settings (columns); None where the study has no such run."""

    losses: list[str]
    settings: list[str]
    cells: list[list[Cell | None]]


@dataclass(frozen=True)
class Texts:
    """A table of texts, with heads."""

    head: list[str]
    rows: list[list[str]]


def grid(summary: pd.DataFrame, value: str, *, lower: bool | None = False) -> Grid:
    """One value of a summary as a table.

    Args:
        summary: of :func:`anl_seg.study.tables.summary_frame`.
        value: a column of the runs that was summarised.
        lower: whether the lowest mean is the best; None marks none as best. Then what collapsed is told,
            and is not the best.
    """
    texts = setting_texts(summary)
    settings = list(dict.fromkeys(texts))
    losses = list(dict.fromkeys(summary["loss"]))
    # What predicts one class only repeats no wrong label, and is sure of nothing that is wrong.
    collapsed = summary["collapsed"] if lower and "collapsed" in summary else [0] * len(summary)
    means: dict[str, list[float]] = {}
    for text, mean, flat in zip(texts, summary[f"{value} mean"], collapsed):
        means.setdefault(text, []).append(math.nan if flat else mean)
    pick = min if lower else max
    known = {s: [m for m in found if not math.isnan(m)] for s, found in means.items()}
    best = {s: pick(found) for s, found in known.items() if len(set(found)) > 1}
    cells: list[list[Cell | None]] = [[None] * len(settings) for _ in losses]
    for text, flat, (_, row) in zip(texts, collapsed, summary.iterrows()):
        mean = row[f"{value} mean"]
        cells[losses.index(row["loss"])][settings.index(text)] = Cell(
            mean=mean,
            std=row[f"{value} std"],
            n=int(row[f"{value} n"]),
            finished=int(row["finished"]),
            planned=int(row["planned"]),
            runs=tuple(row["runs"].split()),
            best=lower is not None and not flat and best.get(text) == mean,
            collapsed=int(flat),
        )
    return Grid(losses, settings, cells)


def markdown_grid(table: Grid, digits: int = 2) -> str:
    """A grid as a Markdown table; the best mean of each setting in bold."""
    rows = []
    for loss, cells in zip(table.losses, table.cells):
        texts = ["" if cell is None else cell.text(digits) for cell in cells]
        bold = [f"**{t}**" if c and c.best else t for t, c in zip(texts, cells)]
        rows.append([loss, *bold])
    return markdown_table(["loss", *table.settings], rows)


def latex_grid(table: Grid, caption: str, label: str, digits: int = 2) -> str:
    """A grid as a LaTeX table (package booktabs); the best mean of each setting in bold.

    Args:
        table: what :func:`grid` returned.
        caption: text, escaped here.
        label: for ``\\ref``, without ``tab:``.
        digits: after the decimal point.
    """
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escaped(caption)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{l{'c' * len(table.settings)}}}",
        r"\toprule",
        " & ".join(["loss", *map(latex_escaped, table.settings)]) + r" \\",
        r"\midrule",
    ]
    for loss, cells in zip(table.losses, table.cells):
        texts = []
        for cell in cells:
            text = "" if cell is None else cell.text(digits, r"$\pm$")
            texts.append(rf"\textbf{{{text}}}" if cell and cell.best else text)
        lines.append(" & ".join([latex_escaped(loss), *texts]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines)
