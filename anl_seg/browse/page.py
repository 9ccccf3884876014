"""The page: one HTML file that carries its pictures, with a slider over the strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from anl_seg.noise import MaskNoise, NoiseStatistics

from .comparison import ComparedSample
from .encode import png_uri
from .formatting import changed, noise_text, present_classes, printable
from .page_sample import class_entry, sample_content
from .pictures import Grid, Painter

#: Shortest longer side of a picture, so that outlines and stripes stay thin.
_LEAST_SIDE = 256


@dataclass(frozen=True, eq=False)
class Setting:
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
    settings: Sequence[Setting],
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
        painter: knows the colours of the classes.
        names: of the classes.
        title: of the page; the noise.
        subtitle: where the samples come from.
        remark: what the slider moves, or why there is none.
        max_side: longer side of the pictures at most; 0 for no limit.
    """
    first = settings[0].samples
    grids = [Grid.fitting(sample.clean.shape, _LEAST_SIDE, max_side) for sample in first]
    labels = [setting.label for setting in settings]
    return _template().render(
        title=title,
        subtitle=subtitle,
        remark=remark,
        start=start,
        settings=[_setting_content(setting) for setting in settings],
        samples=[
            sample_content([s.samples[i] for s in settings], labels, painter, names, grid)
            for i, grid in enumerate(grids)
        ],
        ignore_index=painter.ignore_index,
        scales=_scales(grids),
        **_legend(settings, painter, names),
    )


def _template() -> Template:
    """The template; what it shows is escaped, and of valid Unicode."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda shown: shown if isinstance(shown, Markup) else printable(shown),
    )
    return environment.get_template("page.html.j2")


def _setting_content(setting: Setting) -> dict[str, str]:
    """The noise of a setting, and how much of all samples it changes."""
    total: NoiseStatistics = reduce(add, (s.statistics for s in setting.samples))
    return {"label": setting.label, "changed": changed(total), "noise": noise_text(setting.noise)}


def _legend(settings: Sequence[Setting], painter: Painter, names: Sequence[str]) -> dict[str, Any]:
    """The classes that appear in any setting, and the stripes of ignored pixels."""
    samples = [sample for setting in settings for sample in setting.samples]
    present = sorted({c for s in samples for c in present_classes(s.statistics)})
    ignored = any(s.statistics.valid_pixels < s.clean.size for s in settings[0].samples)
    return {
        "classes": [class_entry(label, painter, names) for label in present],
        "stripes": png_uri(painter.stripes(16)) if ignored else None,
    }


def _scales(grids: Sequence[Grid]) -> str:
    """The scales of the pictures where masks are larger than these; empty if none is."""
    if all(grid.scale >= 1 for grid in grids):
        return ""
    return ", ".join(sorted({f"{min(grid.scale, 1):.2f}" for grid in grids}))
