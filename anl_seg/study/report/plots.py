"""Plots of a study: metric against strength, learning and memorization curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from anl_seg.study.report.figures import LEVEL, Panel, Plot, Point, draw_panels, points_of
from anl_seg.study.report.frames import groups
from anl_seg.study.report.results import Results
from anl_seg.study.run_record import RunRecord, strength_text

_INTERVAL = (
    f"{100 * LEVEL:g} % confidence interval of the mean by Student's t, "
    "cut off at the range of the values"
)


def slug(text: str) -> str:
    """A text as part of a file name."""
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in ".-" else "-" for c in text)
    return "-".join(part for part in kept.split("-") if part)[:60] or "x"


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
    """A share of the memorization records, in percent."""
    return lambda record: {
        entry["step"]: 100 * entry[key]
        for entry in record.memorization
        if entry.get(key) is not None
    }


def _curves(records: Iterable[RunRecord], series: Series) -> dict[str, dict[int, Point]]:
    """Loss -> step -> point over the seeds.

    Steps that not every run of the loss has are left out: a mean over other runs would jump.
    """
    by_loss: dict[str, list[Mapping[int, float]]] = {}
    for record in records:
        if values := series(record):
            by_loss.setdefault(record.axes["loss"], []).append(values)
    return points_of(
        (loss, step, run[step])
        for loss, runs in by_loss.items()
        for step in sorted(set(runs[0]).intersection(*runs[1:]))
        for run in runs
    )


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
                draw_panels(panels, [label], frame["loss"], x_label="strength"),
            )
        )
    return plots


def _strengths(rows: pd.DataFrame, value: str) -> Panel:
    """A value of the runs of one noise over its strengths."""
    places = list(rows["strength"])
    is_curve = len(set(places)) > 1 and all(map(_is_number, places))
    if not is_curve:
        places = [strength_text(strength) or "no strength" for strength in places]
    losses = points_of(zip(rows["loss"], places, rows[value].astype(float)))
    if is_curve:
        return Panel({loss: dict(sorted(points.items())) for loss, points in losses.items()})
    return Panel(losses, list(dict.fromkeys(places)))


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
        panels = {
            setting: [Panel(_curves(members, series)) for series in rows.values()]
            for setting, members in settings.items()
        }
        panels = {title: own for title, own in panels.items() if any(p.losses for p in own)}
        if not panels:
            continue
        where = [*(n for n, varies in zip(names, varied.values()) if varies), str(noise)]
        plots.append(
            Plot(
                f"{name}_{slug('-'.join(where))}",
                f"{title}: {' | '.join(where)}",
                f"Mean over the seeds of finished runs; bands: {_INTERVAL} (none where there is one seed).",
                draw_panels(
                    _side_by_side(panels), list(rows), _losses(records), x_label=unit, whole=True
                ),
            )
        )
    return plots


def _side_by_side(panels: dict[str, list[Panel]]) -> dict[str, list[Panel]]:
    """Curves as they are; where all are one point each, these over one category."""
    curves = [curve for own in panels.values() for panel in own for curve in panel.losses.values()]
    if any(len(curve) > 1 for curve in curves):
        return panels
    name = "after training"

    def over_name(panel: Panel) -> Panel:
        return Panel(
            {loss: {name: p} for loss, c in panel.losses.items() for p in c.values()}, [name]
        )

    return {title: [over_name(panel) for panel in own] for title, own in panels.items()}


def memorization_parts_plots(records: Sequence[RunRecord]) -> list[Plot]:
    """After training, the share of wrongly labeled pixels memorized, by boundary distance and by class.

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
                f"Where the noise was memorized: {setting}",
                "Share of the wrongly labeled training pixels of each part that the trained model predicts "
                "as their wrong label; mean over seeds, bars as above.",
                draw_panels(shown, ["memorized, % of wrong pixels"], _losses(records)),
            )
        )
    return plots


def _parts(records: Iterable[RunRecord], key: str, name_of: Callable[[Mapping], str]) -> Panel:
    """The share memorized in the parts of the last records; parts without wrong pixels are left out."""
    names: dict[str, bool] = {}
    values = []
    for record in records:
        for part in record.memorization[-1].get(key) or []:
            name, share = name_of(part), part["memorized_share"]
            names[name] = names.get(name, False) or share is not None
            if share is not None:
                values.append((record.axes["loss"], name, 100 * share))
    return Panel(points_of(values), [name for name, is_known in names.items() if is_known])


def range_text(part: Mapping) -> str:
    """A bin of distances, for example ``2 to 4`` or ``16 up``."""
    if part["high"] is None:
        return f"{part['low']:g} up"
    return f"{part['low']:g} to {part['high']:g}"


def report_plots(results: Results) -> dict[str, Callable[[], list[Plot]]]:
    """What is drawn -> what draws it, in the order of the page."""
    records, frame, main = results.records, results.frame, results.metrics.main
    column = results.metrics.main_column
    shares = {
        "memorized, % of wrong": memorization_series("memorized_share"),
        "corrected, % of wrong": memorization_series("corrected_share"),
    }
    return {
        column: lambda: strength_plots(frame, column, column),
        "memorized": lambda: strength_plots(frame, "memorized", "memorized, % of wrong pixels"),
        "learning curves": lambda: curve_plots(
            records, {main: metric_series(main)}, "learning", "Learning curves", records[0].unit
        ),
        "memorization curves": lambda: curve_plots(
            records, shares, "memorization", "Memorization curves"
        ),
        "where the noise was memorized": lambda: memorization_parts_plots(records),
    }
