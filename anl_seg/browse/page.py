"""The page: one HTML file that carries its pictures, with a slider over the strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from anl_seg.noise import MaskNoise, NoiseStatistics

from . import formatting
from .comparison import ComparedSample
from .encode import data_uri, png
from .page_sample import Picture, css_colour, show_sample
from .pictures import Painter, PixelGrid

#: Shortest longer side of a picture, so that outlines and stripes stay thin.
_LEAST_SIDE = 256


@dataclass(frozen=True, eq=False)
class Position:
    """The samples under one noise.

    Attributes:
        label: what the slider calls it, for example ``rate 0.4``; empty if there is no slider.
        noise: the model.
        samples: the same samples in the same order in every setting.
    """

    label: str
    noise: MaskNoise
    samples: Sequence[ComparedSample]


def draw_page(
    settings: Sequence[Position],
    start: int,
    painter: Painter,
    names: Sequence[str],
    *,
    title: str,
    subtitle: str,
    remark: str,
    max_side: int = 512,
) -> str:
    """An HTML page that needs nothing but itself.

    Without JavaScript it shows the setting it starts with.

    Args:
        settings: one for each position of the slider, at least one; with one there is no slider.
        start: the position at which the slider stands at first.
        painter: knows the colors of the classes.
        names: of the classes.
        title: of the page; the noise.
        subtitle: where the samples come from.
        remark: what the slider moves, or why there is none.
        max_side: longer side of the pictures at most; 0 for no limit.
    """
    grids = [PixelGrid.fitting(s.clean.shape, _LEAST_SIDE, max_side) for s in settings[0].samples]
    labels = [setting.label for setting in settings]
    content = {
        "title": title,
        "subtitle": subtitle,
        "remark": remark,
        "start": start,
        "slider": _slider(labels) if len(settings) > 1 else None,
        "totals": list(map(_total, settings)),
        "samples": [
            show_sample([s.samples[i] for s in settings], labels, painter, names, grid)
            for i, grid in enumerate(grids)
        ],
        **_legend(settings, painter, names),
        # Where masks are larger than their pictures, the reader must know it.
        "scales": sorted({f"{min(grid.scale, 1):.2f}" for grid in grids})
        if any(grid.scale < 1 for grid in grids)
        else [],
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        finalize=lambda shown: shown if isinstance(shown, Markup) else formatting.printable(shown),
        keep_trailing_newline=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(content)


def _legend(settings: Sequence[Position], painter: Painter, names: Sequence[str]) -> dict[str, Any]:
    """The classes that appear at any position, and the stripes of ignored pixels."""
    samples = [sample for setting in settings for sample in setting.samples]
    present = sorted({c for s in samples for c in formatting.present_classes(s.statistics)})
    some_ignored = any(s.statistics.valid_pixels < s.clean.size for s in settings[0].samples)
    stripes = Picture("swatch", "", data_uri("png", png(painter.stripes(16))))
    return {
        "classes": [(css_colour(painter.colours[c]), names[c]) for c in present],
        "ignored": stripes if some_ignored else None,
        "ignore_index": painter.ignore_index,
    }


def _slider(labels: Sequence[str]) -> dict[str, Any]:
    """The slider, which the script makes visible."""
    name, _, first = labels[0].rpartition(" ")
    last = labels[-1].rpartition(" ")[2]
    return {"name": name, "first": first, "last": last, "labels": labels}


def _total(setting: Position) -> dict[str, Any]:
    """The noise of a position, and how much of all samples it changes."""
    total: NoiseStatistics = reduce(add, (s.statistics for s in setting.samples))
    return {
        "label": setting.label,
        "changed": formatting.changed(total),
        "count": len(setting.samples),
        "noise": formatting.describe_noise(setting.noise),
    }
