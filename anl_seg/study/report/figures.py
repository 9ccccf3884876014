"""Figures of several axes with one legend; points over seeds with confidence intervals."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import t as student

from anl_seg._files import replace_atomically
from anl_seg.study.escapes import drawn_text

#: Okabe and Ito's colors, which color-blind readers can distinguish, without yellow; then others.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9", "#7f3c8d")
_DASHES = ("-", "--", ":", "-.")
#: One fewer than colors, so that pairs of both repeat late.
_MARKERS = "osD^vP*"
_COLUMNS = 3
#: With more categories on an axis their names are slanted.
_UPRIGHT = 5
#: Level of bands and error bars.
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure of the report.

    Attributes:
        name: of its files, without suffix.
        title: of its section.
        caption: what is drawn, and what bands and bars are.
        figure: the drawing.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def half_width(values: Sequence[float], level: float = LEVEL) -> float:
    """Half the width of the confidence interval of the mean, by Student's t; NaN of one value.

    Args:
        values: numbers without NaN.
        level: of confidence.
    """
    n = len(values)
    if n < 2:
        return math.nan
    return float(student.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))


class Point(NamedTuple):
    """Values of several seeds; NaN where there are none.

    Attributes:
        mean: of the values.
        half: half width of the confidence interval of the mean; NaN of one value.
        low: smallest value.
        high: largest value.
    """

    mean: float
    half: float
    low: float
    high: float


def point_of(values: Iterable[float]) -> Point:
    """The values that are not NaN as a point."""
    known = [float(value) for value in values if not math.isnan(value)]
    if not known:
        return Point(math.nan, math.nan, math.nan, math.nan)
    return Point(sum(known) / len(known), half_width(known), min(known), max(known))


def points_of(values: Iterable[tuple[str, Any, float]]) -> dict[str, dict[Any, Point]]:
    """Loss -> place -> point, of values as (loss, place, value), in the order of their first appearance."""
    found: dict[str, dict[Any, list[float]]] = {}
    for loss, place, value in values:
        found.setdefault(loss, {}).setdefault(place, []).append(value)
    return {
        loss: {place: point_of(own) for place, own in places.items()}
        for loss, places in found.items()
    }


def style_of(losses: Sequence[str]) -> dict[str, dict]:
    """Color, dash and marker of each loss, the same in every plot."""
    return {
        loss: {
            "color": COLORS[i % len(COLORS)],
            "linestyle": _DASHES[i // len(COLORS) % len(_DASHES)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i, loss in enumerate(losses)
    }


def _axes_of(titles: Sequence[str], rows: int = 1) -> tuple[Figure, list[list[Axes]]]:
    """A figure with ``rows`` axes for each title; returns them as [title][row]."""
    columns = min(_COLUMNS, len(titles))
    bands = math.ceil(len(titles) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.0 * bands * rows + 0.9), layout="constrained")
    axes = figure.subplots(bands * rows, columns, squeeze=False)
    found = []
    for i, title in enumerate(titles):
        own = [axes[i // columns * rows + row, i % columns] for row in range(rows)]
        own[0].set_title(drawn_text(title), fontsize=10)
        found.append(own)
    for i in range(len(titles), bands * columns):
        for row in range(rows):
            axes[i // columns * rows + row, i % columns].set_axis_off()
    for ax in axes.flat:
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.tick_params(labelsize=8)
    return figure, found


def _legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """One legend below, naming each loss once."""
    entries: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    if entries:
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=min(len(entries), 5),
            fontsize=8,
            frameon=False,
        )


def _same_range(axes: Sequence[Axes], points: Iterable[Point]) -> None:
    """Give axes that show the same quantity one range: that of the values, so that they compare by eye.

    The interval of two seeds can be twenty times as wide as their values lie apart, and is cut off.
    """
    known = [point for point in points if not math.isnan(point.mean)]
    if known:
        low, high = min(point.low for point in known), max(point.high for point in known)
        margin = 0.1 * (high - low) or max(0.01 * abs(high), 0.01)
        for ax in axes:
            ax.set_ylim(low - margin, high + margin)


def _line(ax: Axes, x: Sequence, points: Sequence[Point], style: Mapping, label: str) -> None:
    """Means as a line, with a band where there are several values."""
    means, widths = (np.array(column, dtype=float) for column in list(zip(*points))[:2])
    size = 4 if len(x) < 30 else 0
    ax.plot(x, means, label=drawn_text(label), linewidth=1.4, markersize=size, **style)
    if not np.isnan(widths).all():
        ax.fill_between(
            x, means - widths, means + widths, color=style["color"], alpha=0.15, linewidth=0
        )


def _points(
    ax: Axes, names: Sequence[str], rows: Mapping[str, Mapping[str, Point]], styles: Mapping
) -> None:
    """Means with error bars over categories, losses side by side. ``rows``: loss -> category -> point."""
    step = 0.7 / max(len(rows), 1)
    for i, (loss, values) in enumerate(rows.items()):
        offset = (i - (len(rows) - 1) / 2) * step
        known = [
            (names.index(name) + offset, values[name].mean, values[name].half)
            for name in names
            if name in values
        ]
        if not known:
            continue
        x, means, widths = (np.array(column, dtype=float) for column in zip(*known))
        style = {key: styles[loss][key] for key in ("color", "marker")}
        ax.plot(x, means, linestyle="", markersize=5, label=drawn_text(loss), **style)
        bars = ~np.isnan(widths)
        if bars.any():
            ax.errorbar(
                x[bars], means[bars], widths[bars], fmt="none", ecolor=style["color"], elinewidth=1
            )
    shown = [drawn_text(name).replace(", ", ",\n") for name in names]
    ax.set_xticks(range(len(names)), shown, fontsize=8)
    if len(names) > _UPRIGHT:
        for label in ax.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(names) - 0.4)


@dataclass(frozen=True)
class Panel:
    """What one axes shows.

    Attributes:
        losses: loss -> place -> point; places are numbers in rising order, joined by lines, or categories.
        names: the categories, in order, over which losses stand side by side; None: places are numbers.
    """

    losses: Mapping[str, Mapping[Any, Point]]
    names: Sequence[str] | None = None

    @property
    def points(self) -> list[Point]:
        """All that is drawn."""
        return [point for places in self.losses.values() for point in places.values()]


def draw_panels(
    panels: Mapping[str, Sequence[Panel]],
    labels: Sequence[str],
    losses: Iterable[str],
    *,
    x_label: str = "",
    whole: bool = False,
) -> Figure:
    """A figure with a column of axes under each title, and one legend below.

    Args:
        panels: title -> what is drawn below it, one panel for each label.
        labels: of the vertical axes. Axes with the same label have the same range.
        losses: all of the study, so that each has one style in all plots.
        x_label: of the lowest axes over numbers.
        whole: whether only whole numbers are marked on axes over numbers.
    """
    styles = style_of(list(dict.fromkeys(losses)))
    figure, axes = _axes_of(list(panels), len(labels))
    for column, own in zip(axes, panels.values()):
        for ax, panel in zip(column, own):
            if panel.names is not None:
                _points(ax, panel.names, panel.losses, styles)
                continue
            for loss, curve in panel.losses.items():
                _line(ax, list(curve), list(curve.values()), styles[loss], loss)
            if ax is column[-1]:
                ax.set_xlabel(x_label, fontsize=9)
            if whole:
                ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for row, label in enumerate(labels):
        axes[0][row].set_ylabel(drawn_text(label), fontsize=9)
        points = [point for own in panels.values() for point in own[row].points]
        _same_range([column[row] for column in axes], points)
    _legend(figure, [ax for column in axes for ax in column])
    return figure


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def pdf_bytes(figure: Figure) -> bytes:
    """A figure as PDF, the same bytes every time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()


def save_plot(plot: Plot, folder: Path) -> bytes:
    """Write ``<name>.png`` and ``<name>.pdf``; returns the PNG."""
    png = png_bytes(plot.figure)
    replace_atomically(folder / f"{plot.name}.png", png)
    replace_atomically(folder / f"{plot.name}.pdf", pdf_bytes(plot.figure))
    return png
