"""One sample of the page: its pictures and numbers at every position of the slider."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import formatting
from .comparison import ComparedSample
from .encode import photo, png
from .html_parts import at, figure, picture, swatch, text
from .pictures import Grid, Painter, shown_image

#: With more classes their Dice stand below the pictures, not beside them.
_IN_A_COLUMN = 14


def sample_article(
    samples: Sequence[ComparedSample],
    labels: Sequence[str],
    start: int,
    painter: Painter,
    names: Sequence[str],
    grid: Grid,
) -> str:
    """A sample as HTML.

    Args:
        samples: the same one at each position of the slider.
        labels: of the positions; empty texts if there is no slider.
        start: the position to show first.
        painter: knows the colours of the classes.
        names: of the classes.
        grid: of the pictures.
    """
    first = samples[0]
    image = None if first.image is None else grid.reduced(shown_image(first.image))
    clean = png(painter.mask(first.clean, grid))
    figures = [
        *([] if image is None else [_image_figure(image, first, painter, grid)]),
        figure("clean mask", picture("clean flat", f"clean mask of {first.key}", "png", clean)),
        _noisy_figure(samples, labels, start, painter, grid),
        _difference_figure(image, samples, labels, start, painter, grid),
    ]
    numbers = [
        f'<div class="numbers"{at(i, start)}>{_numbers(sample, painter, names)}</div>'
        for i, sample in enumerate(samples)
    ]
    beside = "\n".join(["<div>", *numbers, "</div>"])
    below = ""
    if len(formatting.clean_classes(first.statistics)) > _IN_A_COLUMN:
        beside, below = below, beside
    content = "\n".join([*figures, beside])
    return (
        f"<article>\n<h2>{text(first.key)}</h2>\n"
        f'<div class="row">\n{content}\n</div>\n{below}\n</article>'
    )


def _image_figure(image: np.ndarray, sample: ComparedSample, painter: Painter, grid: Grid) -> str:
    outline = png(painter.outline(sample.clean, grid))
    return figure(
        "image, clean outline",
        picture("image", f"image of {sample.key}", *photo(image)),
        picture("outline flat", "", "png", outline),
    )


def _noisy_figure(
    samples: Sequence[ComparedSample],
    labels: Sequence[str],
    start: int,
    painter: Painter,
    grid: Grid,
) -> str:
    pictures = []
    for i, (sample, label) in enumerate(zip(samples, labels)):
        share = formatting.percent(sample.statistics.changed_share)
        alt = f"noisy mask of {sample.key}{_at(label)}: {share} changed"
        content = png(painter.mask(sample.noisy, grid))
        pictures.append(picture("noisy flat", alt, "png", content, at(i, start)))
    return figure("noisy mask", *pictures)


def _difference_figure(
    image: np.ndarray | None,
    samples: Sequence[ComparedSample],
    labels: Sequence[str],
    start: int,
    painter: Painter,
    grid: Grid,
) -> str:
    if image is None:
        ground = picture("ground flat", "", "png", png(painter.ground(samples[0].clean, grid)))
    else:
        ground = picture("ground", "", *photo(painter.dimmed(image)))
    pictures = []
    for i, (sample, label) in enumerate(zip(samples, labels)):
        alt = f"changed pixels of {sample.key}{_at(label)}, in the colour of their new class"
        content = png(painter.difference(sample, grid))
        pictures.append(picture("difference flat", alt, "png", content, at(i, start)))
    return figure("difference, in the new class", ground, *pictures)


def _at(label: str) -> str:
    return f" at {label}" if label else ""


def _numbers(sample: ComparedSample, painter: Painter, names: Sequence[str]) -> str:
    statistics = sample.statistics
    items = "".join(
        f"<li><span>{swatch(painter.colours[label])}{text(names[label])}</span> "
        f"<b>{formatting.dice(statistics.dice[label])}</b></li>"
        for label in formatting.clean_classes(statistics)
    )
    parts = [f"<p>{text(formatting.changed(statistics))}</p>"]
    if items:
        parts += ['<p class="soft">Dice of clean and noisy</p>', f'<ul class="dice">{items}</ul>']
    new = formatting.only_noisy(statistics, names)
    if new:
        parts.append(f'<p class="soft">{text(new)}</p>')
    return "".join(parts)
