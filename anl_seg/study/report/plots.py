"""Plots of a study: metric against strength, learning and memorisation curves (matplotlib)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import t as student

from anl_seg._files import replace_atomically
from anl_seg.study.escapes import drawn_text
from anl_seg.study.report.frames import groups
from anl_seg.study.report.results import Results
from anl_seg.study.run_record import RunRecord, strength_text

#: Okabe and Ito's colours, which colour-blind readers tell apart, without yellow; then others.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9", "#7f3c8d")
_DASHES = ("-", "--", ":", "-.")
#: One fewer than colours, so that pairs of both repeat late.
_MARKERS = "osD^vP*"
_COLUMNS = 3
#: With more categories on an axis their names are slanted.
_UPRIGHT = 5
#: Level of bands and error bars.
LEVEL = 0.95
_INTERVAL = (
    f"{100 * LEVEL:g} % confidence interval of the mean by Student's t, "
    "cut off at the range of the values"
)


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


def style_of(losses: Sequence[str]) -> dict[str, dict]:
    """Colour, dash and marker of each loss, the same in every plot."""
    return {
        loss: {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": _DASHES[i // len(COLOURS) % len(_DASHES)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i, loss in enumerate(losses)
    }


def slug(text: str) -> str:
    """A text as part of a file name."""
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in ".-" else "-" for c in text)
    return "-".join(part for part in kept.split("-") if part)[:60] or "x"


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
    """What one axes shows: points over numbers, joined by lines, or side by side over categories.

    Attributes:
        losses: loss -> place -> point; places are numbers in rising order, or names of categories.
        names: the categories, in order; None: places are numbers.
        x_label: of the axis; may be empty.
        whole: whether only whole numbers are marked on the axis.
    """

    losses: Mapping[str, Mapping[Any, Point]]
    names: Sequence[str] | None = None
    x_label: str = ""
    whole: bool = False

    def draw(self, ax: Axes, styles: Mapping[str, Mapping[str, Any]]) -> None:
        """Draw each loss in its style."""
        if self.names is not None:
            _points(ax, self.names, self.losses, styles)
            return
        for loss, points in self.losses.items():
            _line(ax, list(points), list(points.values()), styles[loss], loss)
        if self.x_label:
            ax.set_xlabel(self.x_label, fontsize=9)
        if self.whole:
            ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def draw_panels(
    panels: Mapping[str, Sequence[Panel]], labels: Sequence[str], losses: Iterable[str]
) -> Figure:
    """A figure with a column of axes under each title, and one legend below.

    Args:
        panels: title -> what is drawn below it, one panel for each label.
        labels: of the vertical axes. Axes with the same label have the same range.
        losses: all of the study, so that each has one style in all plots.
    """
    styles = style_of(list(dict.fromkeys(losses)))
    figure, axes = _axes_of(list(panels), len(labels))
    for column, own in zip(axes, panels.values()):
        for ax, panel in zip(column, own):
            panel.draw(ax, styles)
    for row, label in enumerate(labels):
        axes[0][row].set_ylabel(drawn_text(label), fontsize=9)
        points = [
            point
            for own in panels.values()
            for places in own[row].losses.values()
            for point in places.values()
        ]
        _same_range([column[row] for column in axes], points)
    _legend(figure, [ax for column in axes for ax in column])
    return figure


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _varied(runs: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Whether the model, and whether the options, differ between runs."""
    return {axis: len({run[axis] for run in runs}) > 1 for axis in ("model", "options")}


def _losses(records: Iterable[RunRecord]) -> list[str]:
    return [record.axes["loss"] for record in records]


#: What a curve shows at each step of a run.
Series = Callable[[RunRecord], Mapping[int, float]]


def metric_series(metric: str) -> Series:
    """A metric at every validation."""
    return lambda record: {
        step: values[metric] for step, values in record.validations.items() if metric in values
    }


def memorization_series(key: str) -> Series:
    """A share of the memorisation records, in percent."""
    return lambda record: {
        entry["step"]: 100 * entry[key]
        for entry in record.memorization
        if entry.get(key) is not None
    }


def _curves(records: Sequence[RunRecord], series: Series) -> dict[str, dict[int, Point]]:
    """loss -> step -> mean and half width over seeds. Steps that not every run of the loss has are left out:
    a mean over other runs would jump."""
    by_loss: dict[str, list[Mapping[int, float]]] = {}
    for record in records:
        values = series(record)
        if values:
            by_loss.setdefault(record.axes["loss"], []).append(values)
    found = {}
    for loss, runs in by_loss.items():
        steps = sorted(set.intersection(*(set(run) for run in runs)))
        found[loss] = {step: point_of(run[step] for run in runs) for step in steps}
    return {loss: points for loss, points in found.items() if points}


def strength_plots(frame: pd.DataFrame, value: str, label: str) -> list[Plot]:
    """A value against the strength of the noise, a panel per noise, a line per loss.

    Noises with fewer than two strengths that are numbers get points over their strengths instead.

    Args:
        frame: of :func:`anl_seg.study.report.frames.runs_frame`.
        value: column to draw.
        label: of the axis.

    Returns:
        A plot per model and options with any value.
    """
    finished = frame[(frame["status"] == "finished") & frame[value].astype(float).notna()]
    varied = _varied(frame[["model", "options"]].to_dict("records"))
    plots = []
    for names, part in groups(finished, ["model", "options"]):
        where = " | ".join(name for name, varies in zip(names, varied.values()) if varies)
        panels = {
            str(noise): [_strengths(rows, value)] for (noise,), rows in groups(part, ["noise"])
        }
        plots.append(
            Plot(
                f"strength_{slug(value)}" + (f"_{slug(where)}" if where else ""),
                f"{label} against the strength of the noise" + (f": {where}" if where else ""),
                f"Mean over seeds; bands and bars: {_INTERVAL} (none where there is one seed). Only "
                "finished runs.",
                draw_panels(panels, [label], frame["loss"]),
            )
        )
    return plots


def _strengths(rows: pd.DataFrame, value: str) -> Panel:
    """A value of the runs of one noise over its strengths."""
    strengths = list(dict.fromkeys(rows["strength"]))
    losses = {
        loss: {s: point_of(g[value].astype(float)) for (s,), g in groups(own, ["strength"])}
        for (loss,), own in groups(rows, ["loss"])
    }
    if len(strengths) > 1 and all(map(_is_number, strengths)):
        return Panel(
            {loss: dict(sorted(p.items())) for loss, p in losses.items()}, None, "strength"
        )

    def named(strength: Any) -> str:
        return strength_text(strength) or "no strength"

    texts = {loss: {named(s): p for s, p in points.items()} for loss, points in losses.items()}
    return Panel(texts, [named(strength) for strength in strengths])


def curve_plots(
    records: Sequence[RunRecord],
    rows: Mapping[str, Series],
    name: str,
    title: str,
    unit: str = "iteration",
) -> list[Plot]:
    """Curves over training: a panel per strength, a line per loss, a figure per model, options and noise.

    Where every curve of a figure is one point (measured only after training) losses are drawn side by side.

    Args:
        records: of a study; those that have not finished are left out.
        rows: label of the axis -> what is drawn, one row of panels each.
        name: begins the names of the files.
        title: begins the titles.
        unit: what the steps count.
    """
    varied = _varied([record.axes for record in records])
    figures: dict[tuple, dict[str, list[RunRecord]]] = {}
    for record in records:
        if record.status == "finished":
            key = tuple(record.axes[axis] for axis in ("model", "options", "noise"))
            figures.setdefault(key, {}).setdefault(record.noise_text, []).append(record)
    plots = []
    for (*names, noise), settings in figures.items():
        curves = {
            setting: [_curves(members, series) for series in rows.values()]
            for setting, members in settings.items()
        }
        curves = {setting: found for setting, found in curves.items() if any(found)}
        if not curves:
            continue
        where = [*(n for n, varies in zip(names, varied.values()) if varies), str(noise)]
        plots.append(
            Plot(
                f"{name}_{slug('-'.join(where))}",
                f"{title}: {' | '.join(where)}",
                f"Mean over the seeds of finished runs; bands: {_INTERVAL} (none where there is one seed).",
                draw_panels(_curve_panels(curves, unit), list(rows), _losses(records)),
            )
        )
    return plots


def _curve_panels(
    curves: Mapping[str, Sequence[Mapping[str, Mapping[int, Point]]]], unit: str
) -> dict[str, list[Panel]]:
    """Title -> the panels below it: curves, or where all are one point each, these side by side."""
    longest = max(len(p) for found in curves.values() for row in found for p in row.values())
    if longest > 1:
        return {
            setting: [Panel(losses, None, "", True) for losses in found[:-1]]
            + [Panel(found[-1], None, unit, True)]
            for setting, found in curves.items()
        }
    name = "after training"
    return {
        setting: [
            Panel({loss: {name: p[max(p)]} for loss, p in row.items()}, [name]) for row in found
        ]
        for setting, found in curves.items()
    }


def memorization_parts_plots(records: Sequence[RunRecord]) -> list[Plot]:
    """After training, the share of wrongly labelled pixels memorised, by boundary distance and by class.

    A figure per setting; columns are the two splits.
    """
    varied = [axis for axis, varies in _varied([r.axes for r in records]).items() if varies]
    settings: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.status == "finished" and record.memorization:
            where = [*(record.axes[axis] for axis in varied), record.noise_text]
            settings.setdefault(" | ".join(where), []).append(record)
    plots = []
    for setting, members in settings.items():
        panels = {
            "pixels to the clean boundary": _parts(members, "by_distance", range_text),
            "clean class": _parts(members, "by_class", lambda part: str(part["class"])),
        }
        shown = {title: [panel] for title, panel in panels.items() if panel.names}
        if not shown:
            continue
        plots.append(
            Plot(
                f"memorization-parts_{slug(setting)}",
                f"Where the noise was memorised: {setting}",
                "Share of the wrongly labelled training pixels of each part that the trained model predicts "
                "as their wrong label; mean over seeds, bars as above.",
                draw_panels(shown, ["memorised, % of wrong pixels"], _losses(records)),
            )
        )
    return plots


def _parts(records: Iterable[RunRecord], key: str, name_of: Callable[[Mapping], str]) -> Panel:
    """The share memorised in the parts of the last records; parts without wrong pixels are left out."""
    names: dict[str, bool] = {}
    values: dict[str, dict[str, list[float]]] = {}
    for record in records:
        for part in record.memorization[-1].get(key) or []:
            name, share = name_of(part), part["memorized_share"]
            names[name] = names.get(name, False) or share is not None
            if share is not None:
                own = values.setdefault(record.axes["loss"], {})
                own.setdefault(name, []).append(100 * share)
    points = {
        loss: {name: point_of(found) for name, found in own.items()} for loss, own in values.items()
    }
    return Panel(points, [name for name, is_known in names.items() if is_known])


def range_text(part: Mapping) -> str:
    """A bin of distances, for example ``2 to 4`` or ``16 up``."""
    if part["high"] is None:
        return f"{part['low']:g} up"
    return f"{part['low']:g} to {part['high']:g}"


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


def report_plots(results: Results) -> dict[str, Callable[[], list[Plot]]]:
    """What is drawn -> what draws it, in the order of the page."""
    records, frame, main = results.records, results.frame, results.metrics.main
    column = results.metrics.main_column
    shares = {
        "memorised, % of wrong": memorization_series("memorized_share"),
        "corrected, % of wrong": memorization_series("corrected_share"),
    }
    return {
        column: lambda: strength_plots(frame, column, column),
        "memorised": lambda: strength_plots(frame, "memorized", "memorised, % of wrong pixels"),
        "learning curves": lambda: curve_plots(
            records, {main: metric_series(main)}, "learning", "Learning curves", records[0].unit
        ),
        "memorisation curves": lambda: curve_plots(
            records, shares, "memorization", "Memorisation curves"
        ),
        "where the noise was memorised": lambda: memorization_parts_plots(records),
    }
