"""Plots of a study: metric against strength, learning and memorisation curves (matplotlib)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import t as student

from anl_seg._files import replace_atomically
from anl_seg.study.escapes import drawn_text
from anl_seg.study.run_record import RunRecord, strength_text
from anl_seg.study.tables import groups

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


def _panels(titles: Sequence[str], rows: int = 1) -> tuple[Figure, list[list[Axes]]]:
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
    entries: dict[str, object] = {}
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


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _where(frame: pd.DataFrame, model: str, options: str) -> str:
    """Model and options in words, of those that vary in the study."""
    parts = [model] if frame["model"].nunique() > 1 else []
    parts += [options] if frame["options"].nunique() > 1 else []
    return " | ".join(parts)


def strength_plots(frame: pd.DataFrame, value: str, label: str) -> list[Plot]:
    """A value against the strength of the noise, a panel per noise, a line per loss.

    Noises with fewer than two strengths that are numbers get points over their strengths instead.

    Args:
        frame: of :func:`anl_seg.study.tables.runs_frame`.
        value: column to draw.
        label: of the axis.

    Returns:
        A plot per model and options with any value.
    """
    styles = style_of(list(dict.fromkeys(frame["loss"])))
    finished = frame[(frame["status"] == "finished") & frame[value].astype(float).notna()]
    plots = []
    for (model, options), part in groups(finished, ["model", "options"]):
        noises = groups(part, ["noise"])
        where = _where(frame, model, options)
        figure, panels = _panels([str(noise) for (noise,), _ in noises])
        drawn: list[Point] = []
        for ((_,), rows), (ax,) in zip(noises, panels):
            strengths = list(dict.fromkeys(rows["strength"]))
            by_loss = {
                loss: {s: point_of(g[value].astype(float)) for (s,), g in groups(own, ["strength"])}
                for (loss,), own in groups(rows, ["loss"])
            }
            drawn += [point for points in by_loss.values() for point in points.values()]
            if len(strengths) > 1 and all(map(_is_number, strengths)):
                for loss, points in by_loss.items():
                    x = sorted(points)
                    _line(ax, x, [points[s] for s in x], styles[loss], loss)
                ax.set_xlabel("strength", fontsize=9)
            else:
                names = [strength_text(s) or "no strength" for s in strengths]
                named = {
                    loss: {strength_text(s) or "no strength": p for s, p in points.items()}
                    for loss, points in by_loss.items()
                }
                _points(ax, names, named, styles)
        panels[0][0].set_ylabel(drawn_text(label), fontsize=9)
        _same_range([ax for (ax,) in panels], drawn)
        _legend(figure, [ax for (ax,) in panels])
        plots.append(
            Plot(
                f"strength_{slug(value)}" + (f"_{slug(where)}" if where else ""),
                f"{label} against the strength of the noise" + (f": {where}" if where else ""),
                f"Mean over seeds; bands and bars: {100 * LEVEL:g} % confidence interval of the mean by "
                "Student's t, cut off at the range of the values (none where there is one seed). Only "
                "finished runs.",
                figure,
            )
        )
    return plots


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
    styles = style_of(list(dict.fromkeys(record.axes["loss"] for record in records)))
    varying = {
        key: len({record.axes[key] for record in records}) > 1 for key in ("model", "options")
    }
    figures: dict[tuple, dict[str, list[RunRecord]]] = {}
    for record in records:
        if record.status == "finished":
            key = tuple(record.axes[axis] for axis in ("model", "options", "noise"))
            figures.setdefault(key, {}).setdefault(record.noise_text, []).append(record)
    plots = []
    for (model, options, noise), settings in figures.items():
        curves = {
            setting: [_curves(members, series) for series in rows.values()]
            for setting, members in settings.items()
        }
        curves = {setting: found for setting, found in curves.items() if any(found)}
        if not curves:
            continue
        figure, panels = _panels(list(curves), len(rows))
        longest = max(len(p) for found in curves.values() for row in found for p in row.values())
        for axes, found in zip(panels, curves.values()):
            for ax, by_loss in zip(axes, found):
                if longest == 1:
                    steps = {loss: {"after training": p[max(p)]} for loss, p in by_loss.items()}
                    _points(ax, ["after training"], steps, styles)
                    continue
                for loss, points in by_loss.items():
                    _line(ax, list(points), list(points.values()), styles[loss], loss)
            if longest > 1:
                axes[-1].set_xlabel(unit, fontsize=9)
                for ax in axes:
                    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        for row, label in enumerate(rows):
            panels[0][row].set_ylabel(drawn_text(label), fontsize=9)
            points = [
                p for found in curves.values() for ps in found[row].values() for p in ps.values()
            ]
            _same_range([axes[row] for axes in panels], points)
        _legend(figure, [ax for axes in panels for ax in axes])
        where = [model] if varying["model"] else []
        where += [*([options] if varying["options"] else []), str(noise)]
        plots.append(
            Plot(
                f"{name}_{slug('-'.join(where))}",
                f"{title}: {' | '.join(where)}",
                f"Mean over the seeds of finished runs; bands: {100 * LEVEL:g} % confidence interval of the "
                "mean by Student's t, cut off at the range of the values (none where there is one seed).",
                figure,
            )
        )
    return plots


def memorization_parts_plots(records: Sequence[RunRecord]) -> list[Plot]:
    """After training, the share of wrongly labelled pixels memorised, by boundary distance and by class.

    A figure per setting; columns are the two splits.
    """
    styles = style_of(list(dict.fromkeys(record.axes["loss"] for record in records)))
    several = {
        key: len({record.axes[key] for record in records}) > 1 for key in ("model", "options")
    }
    settings: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.status == "finished" and record.memorization:
            where = [record.axes[key] for key in ("model", "options") if several[key]]
            settings.setdefault(" | ".join([*where, record.noise_text]), []).append(record)
    plots = []
    for setting, members in settings.items():
        splits = {
            "pixels to the clean boundary": ("by_distance", range_text),
            "clean class": ("by_class", lambda part: str(part["class"])),
        }
        drawn = {}
        for title, (key, name_of) in splits.items():
            names: list[str] = []
            values: dict[str, dict[str, list[float]]] = {}
            for record in members:
                for part in record.memorization[-1].get(key) or []:
                    if part["memorized_share"] is None:
                        continue
                    name = name_of(part)
                    if name not in names:
                        names.append(name)
                    own = values.setdefault(record.axes["loss"], {}).setdefault(name, [])
                    own.append(100 * part["memorized_share"])
            if names:
                order = [name_of(p) for m in members for p in m.memorization[-1].get(key) or []]
                names.sort(key=order.index)
                points = {
                    loss: {name: point_of(found) for name, found in own.items()}
                    for loss, own in values.items()
                }
                drawn[title] = (names, points)
        if not drawn:
            continue
        figure, panels = _panels(list(drawn))
        for (ax,), (names, points) in zip(panels, drawn.values()):
            _points(ax, names, points, styles)
        panels[0][0].set_ylabel("memorised, % of wrong pixels", fontsize=9)
        shown = [p for _, rows in drawn.values() for own in rows.values() for p in own.values()]
        _same_range([ax for (ax,) in panels], shown)
        _legend(figure, [ax for (ax,) in panels])
        plots.append(
            Plot(
                f"memorization-parts_{slug(setting)}",
                f"Where the noise was memorised: {setting}",
                "Share of the wrongly labelled training pixels of each part that the trained model predicts "
                "as their wrong label; mean over seeds, bars as above.",
                figure,
            )
        )
    return plots


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
