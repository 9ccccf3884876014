"""Tables to read: texts with heads, and values of losses by settings, as Markdown and LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd

from anl_seg.study.escapes import latex_escaped, markdown_table
from anl_seg.study.report.frames import setting_texts


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        head: names of the columns.
        rows: texts.
        title: heading; may be empty.
        note: what the numbers are; may be empty.
    """

    head: list[str]
    rows: list[list[str]]
    title: str = ""
    note: str = ""

    def markdown(self) -> str:
        """Head and rows as Markdown."""
        return markdown_table(self.head, self.rows)


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
class ResultTable:
    """One value of the runs: losses (rows) by settings (columns).

    Attributes:
        settings: heads of the columns.
        cells: loss -> setting -> cell; without those that the study has no run of.
        title: heading.
        note: what the numbers are; may be empty.
        digits: after the decimal point.
    """

    settings: list[str]
    cells: dict[str, dict[str, Cell]] = field(repr=False)
    title: str = ""
    note: str = ""
    digits: int = 2

    def _texts(self, bold: str, plus_minus: str) -> list[list[str]]:
        """Cells as texts, the best of each setting as ``bold`` has it."""

        def text(cell: Cell | None) -> str:
            shown = "" if cell is None else cell.text(self.digits, plus_minus)
            return bold.format(shown) if cell and cell.best else shown

        return [
            [text(row.get(setting)) for setting in self.settings] for row in self.cells.values()
        ]

    def markdown(self) -> str:
        """A Markdown table; the best mean of each setting in bold."""
        texts = self._texts("**{}**", "±")
        rows = [[loss, *row] for loss, row in zip(self.cells, texts)]
        return markdown_table(["loss", *self.settings], rows)

    def latex(self, caption: str, label: str) -> str:
        """A LaTeX table (package booktabs); the best mean of each setting in bold.

        Args:
            caption: text, escaped here.
            label: for ``\\ref``, without ``tab:``.
        """
        frame = pd.DataFrame(self._texts(r"\textbf{{{}}}", r"$\pm$"))
        frame.insert(0, "loss", [latex_escaped(loss) for loss in self.cells])
        frame.columns = pd.Index(["loss", *map(latex_escaped, self.settings)])
        return (
            frame.style.hide(axis="index")
            .to_latex(
                column_format="l" + "c" * len(self.settings),
                position_float="centering",
                hrules=True,
                caption=latex_escaped(caption),
                label=f"tab:{label}",
            )
            .rstrip()
        )


def result_table(
    summary: pd.DataFrame,
    value: str,
    *,
    lower: bool | None = False,
    title: str = "",
    note: str = "",
    digits: int = 2,
) -> ResultTable:
    """One value of a summary as a table.

    Args:
        summary: of :func:`anl_seg.study.report.frames.summary_frame`.
        value: a column of the runs that was summarized.
        lower: whether the lowest mean is the best; None marks none as best. Then what collapsed is marked,
            and is not the best.
        title: heading.
        note: what the numbers are.
        digits: after the decimal point.
    """
    settings = setting_texts(summary)
    mean = summary[f"{value} mean"]
    # What predicts one class only repeats no wrong label, and is sure of nothing that is wrong.
    collapsed = summary["collapsed"] if lower and "collapsed" in summary else 0 * mean.isna()
    by_setting = mean.mask(collapsed > 0).groupby(settings)
    is_best = mean.mask(collapsed > 0) == by_setting.transform("min" if lower else "max")
    is_best &= (by_setting.transform("nunique") > 1) & (lower is not None)
    rows = summary.assign(_setting=settings, _collapsed=collapsed, _best=is_best)
    cells: dict[str, dict[str, Cell]] = {loss: {} for loss in summary["loss"]}
    for row in rows.to_dict("records"):
        cells[row["loss"]][row["_setting"]] = Cell(
            mean=row[f"{value} mean"],
            std=row[f"{value} std"],
            n=int(row[f"{value} n"]),
            finished=int(row["finished"]),
            planned=int(row["planned"]),
            runs=tuple(row["runs"].split()),
            best=row["_best"],
            collapsed=int(row["_collapsed"]),
        )
    return ResultTable(list(dict.fromkeys(settings)), cells, title, note, digits)
