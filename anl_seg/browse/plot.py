"""The statistics of a data set as one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import formatting
from .canvas import FONT, drawable, figure_png, new_figure
from .data_statistics import DataStatistics

_BLUE = "#0072b2"
_ORANGE = "#d55e00"
#: Up to so many classes each has its name beside the axes, and each entry of the matrix its number.
_NAMED = 60
_NUMBERED = 12


def draw_statistics(
    statistics: DataStatistics, names: Sequence[str], *, title: str, subtitle: str
) -> bytes:
    """Histogram over samples, confusion matrix, and Dice of each class, as PNG.

    Classes that appear nowhere are left out. The same bytes for the same arguments.
    """
    present = formatting.present_classes(statistics.total)
    title_lines = textwrap.wrap(title, 150)
    subtitle_lines = textwrap.wrap(subtitle, 200)
    head = 56 + 20 * len(title_lines) + 16 * len(subtitle_lines)
    height = 470 + head + max(0, 14 * min(len(present), _NAMED) - 320)
    figure = new_figure(1500, height)
    y = 24
    for line in title_lines:
        _write(figure, 1 - y / height, line, size=12, weight="bold")
        y += 20
    for line in subtitle_lines:
        _write(figure, 1 - y / height, line, size=9)
        y += 16
    bottom = 130 / height
    box = (bottom, 1 - head / height - bottom)
    _histogram(figure.add_axes((0.05, box[0], 0.25, box[1])), statistics)
    if present:
        labels = [drawable(formatting.shortened(names[label], 18)) for label in present]
        _confusion(figure, (0.39, *box), statistics, present, labels)
        _dice(figure.add_axes((0.80, box[0], 0.18, box[1])), statistics, present, labels)
    return figure_png(figure)


def _write(figure: Figure, y: float, text: str, **style) -> None:
    figure.text(0.01, y, drawable(text), family=FONT, va="center", **style)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10, loc="left", family=FONT)
    axes.tick_params(labelsize=8)


def _histogram(axes: Axes, statistics: DataStatistics) -> None:
    counts, edges = statistics.histogram()
    axes.bar(100 * edges[:-1], counts, width=100 * np.diff(edges), align="edge", color=_BLUE)
    share = statistics.total.changed_share
    if not np.isnan(share):
        axes.axvline(100 * share, color=_ORANGE, linestyle="--")
        label = f"all pixels: {formatting.percent(share)}"
        axes.plot([], [], color=_ORANGE, linestyle="--", label=label)
        axes.legend(fontsize=8, frameon=False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 100 * edges[-1])
    axes.set_ylim(0, max(1, counts.max()) * 1.15)
    axes.set_xlabel("changed pixels of a sample, %", fontsize=9)
    axes.set_ylabel("samples", fontsize=9)
    _title(axes, f"changed share of {len(statistics.changed_shares)} samples")


def _confusion(
    figure: Figure,
    place: tuple[float, float, float],
    statistics: DataStatistics,
    present: Sequence[int],
    labels: Sequence[str],
) -> None:
    left, bottom, height = place
    axes = figure.add_axes((left, bottom, 0.27, height))
    confusion = statistics.total.confusion[np.ix_(present, present)].astype(np.float64)
    clean = confusion.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(confusion, clean, out=np.zeros_like(confusion), where=clean > 0)
    picture = axes.imshow(
        shares, cmap="cividis", vmin=0, vmax=100, aspect="auto", interpolation="nearest"
    )
    named = len(present) <= _NAMED
    axes.set_xticks(range(len(present)) if named else [])
    axes.set_yticks(range(len(present)) if named else [])
    if named:
        style = {"rotation": 45, "ha": "right"} if len(labels) <= _NUMBERED else {"rotation": 90}
        axes.set_xticklabels(labels, family=FONT, **style)
        axes.set_yticklabels(labels, family=FONT)
    if len(present) <= _NUMBERED:
        for (row, column), value in np.ndenumerate(shares):
            if value > 0:
                colour = "black" if value > 50 else "white"
                text = f"{value:.1f}" if value < 99.95 or value == 100 else "99.9"
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xlabel("noisy", fontsize=9)
    axes.set_ylabel("clean", fontsize=9)
    _title(axes, "confusion, % of each clean class")
    axes.tick_params(labelsize=8 if len(labels) <= 30 else 6.5)
    bar = figure.add_axes((left + 0.275, bottom, 0.008, height))
    figure.colorbar(picture, cax=bar).ax.tick_params(labelsize=7)


def _dice(
    axes: Axes, statistics: DataStatistics, present: Sequence[int], labels: Sequence[str]
) -> None:
    scores = statistics.total.dice[list(present)]
    axes.barh(range(len(present)), scores, color=_BLUE)
    axes.set_xlim(0, 1.18 if len(present) <= _NAMED else 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_ylim(len(present) - 0.5, -0.5)
    named = len(present) <= _NAMED
    axes.set_yticks(range(len(present)) if named else [])
    if named:
        axes.set_yticklabels(labels, family=FONT)
        for row, score in enumerate(scores):
            axes.text(score + 0.02, row, formatting.dice(score), va="center", fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    _title(axes, "Dice of clean and noisy")
