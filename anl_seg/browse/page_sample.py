"""What the page shows of one sample: pictures and numbers at every position of the slider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import formatting
from .comparison import ComparedSample
from .encode import data_uri, photo, png
from .pictures import FlatPicture, Painter, PixelGrid, shown_image

#: With more classes their Dice stand below the pictures, not beside them.
_IN_A_COLUMN = 14


class Picture(NamedTuple):
    """An image that the page carries in itself.

    Attributes:
        kind: its classes in the style sheet.
        alt: what it shows, in words; empty if these stand beside it.
        uri: its content.
        position: of the slider, at which it is shown; None = always.
    """

    kind: str
    alt: str
    uri: str
    position: int | None = None


class Figure(NamedTuple):
    """Pictures on top of each other, under a caption."""

    caption: str
    pictures: list[Picture]


class Numbers(NamedTuple):
    """A sample's numbers at one position: in words, and (color, class, Dice) of each clean class."""

    changed: str
    dice: list[tuple[str, str, str]]
    only_noisy: str


class ShownSample(NamedTuple):
    """A sample as the page shows it; ``numbers`` has an entry for each position of the slider."""

    key: str
    figures: list[Figure]
    numbers: list[Numbers]
    numbers_below: bool


def show_sample(
    samples: Sequence[ComparedSample],
    labels: Sequence[str],
    painter: Painter,
    names: Sequence[str],
    grid: PixelGrid,
) -> ShownSample:
    """Draw a sample.

    Args:
        samples: the same one at each position of the slider.
        labels: of the positions; empty texts if there is no slider.
        painter: knows the colors of the classes.
        names: of the classes.
        grid: of the pictures.
    """
    first = samples[0]
    key, figures = first.key, []
    ground = flat("ground", "", painter.ground(first.clean, grid))
    if first.image is not None:
        image = grid.reduced(shown_image(first.image))
        outline = flat("outline", "", painter.outline(first.clean, grid))
        shown = Picture("image", f"image of {key}", data_uri(*photo(image)))
        figures.append(Figure("image, clean outline", [shown, outline]))
        ground = Picture("ground", "", data_uri(*photo(painter.dimmed(image))))
    clean = flat("clean", f"clean mask of {key}", painter.mask(first.clean, grid))
    noisy, difference = [], [ground]
    for position, (sample, label) in enumerate(zip(samples, labels)):
        of = f"{key} at {label}" if label else key
        share = formatting.percent(sample.statistics.changed_share)
        alt = f"noisy mask of {of}: {share} changed"
        noisy.append(flat("noisy", alt, painter.mask(sample.noisy, grid), position))
        alt = f"changed pixels of {of}, in the colour of their new class"
        difference.append(flat("difference", alt, painter.difference(sample, grid), position))
    figures += [
        Figure("clean mask", [clean]),
        Figure("noisy mask", noisy),
        Figure("difference, in the new class", difference),
    ]
    below = len(formatting.clean_classes(first.statistics)) > _IN_A_COLUMN
    return ShownSample(key, figures, [_numbers(s, painter, names) for s in samples], below)


def flat(kind: str, alt: str, picture: FlatPicture, position: int | None = None) -> Picture:
    """A picture of few colors, whose pixels stay sharp when it is enlarged."""
    return Picture(f"{kind} flat", alt, data_uri("png", png(picture)), position)


def css_colour(colour: np.ndarray) -> str:
    """(3,) uint8 RGB as ``'#rrggbb'``."""
    return f"#{bytes(colour.tolist()).hex()}"


def _numbers(sample: ComparedSample, painter: Painter, names: Sequence[str]) -> Numbers:
    statistics = sample.statistics
    dice = [
        (css_colour(painter.colours[c]), names[c], formatting.dice(statistics.dice[c]))
        for c in formatting.clean_classes(statistics)
    ]
    new = formatting.only_noisy(statistics, names)
    return Numbers(formatting.changed(statistics), dice, new)
