"""The page: one HTML file that carries its pictures, with a slider over the strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from anl_seg.noise import MaskNoise, NoiseStatistics

from . import formatting
from .comparison import ComparedSample
from .encode import png
from .html_parts import at, picture, swatch, text
from .page_sample import sample_article
from .page_style import SCRIPT, STYLE
from .pictures import Grid, Painter

#: Shortest longer side of a picture, so that outlines and stripes stay thin.
_LEAST_SIDE = 256
#: Nothing is loaded from anywhere; the browser holds the page to that.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


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
    articles = "\n".join(
        sample_article([s.samples[i] for s in settings], labels, start, painter, names, grid)
        for i, grid in enumerate(grids)
    )
    slider = _slider(labels, start) if len(settings) > 1 else ""
    script = f"<script>{SCRIPT}</script>\n" if slider else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<h1>{text(title)}</h1>\n<p class="soft">{text(subtitle)}</p>\n'
        f"{_legend(settings, painter, names)}\n</header>\n"
        f'<div class="control"><div>\n{slider}{_totals(settings, start)}\n</div></div>\n'
        f"<main>\n{articles}\n</main>\n"
        f'<footer class="soft">\n<p>{text(remark)}</p>\n{_scale_note(grids)}</footer>\n'
        f"{script}</body>\n</html>\n"
    )


def _legend(settings: Sequence[Setting], painter: Painter, names: Sequence[str]) -> str:
    """The classes that appear in any setting, and the stripes of ignored pixels."""
    samples = [sample for setting in settings for sample in setting.samples]
    present = sorted({c for s in samples for c in formatting.present_classes(s.statistics)})
    items = [f"<li>{swatch(painter.colours[c])}{text(names[c])}</li>" for c in present]
    if any(s.statistics.valid_pixels < s.clean.size for s in settings[0].samples):
        stripes = picture("swatch", "", "png", png(painter.stripes(16)))
        items.append(f"<li>{stripes}ignored ({painter.ignore_index})</li>")
    return f'<ul class="classes">{"".join(items)}</ul>'


def _slider(labels: Sequence[str], start: int) -> str:
    """The slider, which the script makes visible."""
    marks = "".join(
        f'<option value="{i}" label="{text(label)}"></option>' for i, label in enumerate(labels)
    )
    name, _, first = text(labels[0]).rpartition(" ")
    last = text(labels[-1]).rpartition(" ")[2]
    return (
        f'<label hidden>{name} <span class="soft">{first}</span> '
        f'<input type="range" id="strength" min="0" max="{len(labels) - 1}" step="1" '
        f'value="{start}" list="marks" autocomplete="off"> '
        f'<span class="soft">{last}</span></label>\n<datalist id="marks">{marks}</datalist>\n'
        f"<noscript><p>The slider needs JavaScript; this is {text(labels[start])}.</p></noscript>\n"
    )


def _totals(settings: Sequence[Setting], start: int) -> str:
    """For each setting its noise, and how much of all samples it changes."""
    lines = []
    for i, setting in enumerate(settings):
        total: NoiseStatistics = reduce(add, (s.statistics for s in setting.samples))
        label = f"<b>{text(setting.label)}</b> · " if setting.label else ""
        count = len(setting.samples)
        lines.append(
            f'<p class="now"{at(i, start)}>{label}{text(formatting.changed(total))} '
            f'in {count} sample{"s" if count > 1 else ""} <span class="soft">· '
            f"{text(formatting.noise_text(setting.noise))}</span></p>"
        )
    return "\n".join(lines)


def _scale_note(grids: Sequence[Grid]) -> str:
    """What the reader must know where masks are larger than their pictures."""
    if all(grid.scale >= 1 for grid in grids):
        return ""
    scales = sorted({f"{min(grid.scale, 1):.2f}" for grid in grids})
    return (
        f"<p>Masks are shown at {', '.join(scales)} of their size, by leaving rows and columns out; "
        "the numbers count all pixels.</p>\n"
    )
