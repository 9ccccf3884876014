"""One sample of the page: its pictures and numbers at every position of the slider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import formatting
from .comparison import ComparedSample
from .encode import data_uri, photo, png_uri
from .pictures import Grid, Painter, shown_image

#: With more classes their Dice stand below the pictures, not beside them.
_IN_A_COLUMN = 14


def sample_content(
    samples: Sequence[ComparedSample],
    labels: Sequence[str],
    painter: Painter,
    names: Sequence[str],
    grid: Grid,
) -> dict[str, Any]:
    """Return what the template shows of a sample: texts, and pictures as data URIs.

    Args:
        samples: the same one at each position of the slider.
        labels: of the positions; empty texts if there is no slider.
        painter: knows the colours of the classes.
        names: of the classes.
        grid: of the pictures.
    """
    first = samples[0]
    return {
        "key": formatting.printable(first.key),
        **_backgrounds(first, painter, grid),
        "clean": png_uri(painter.mask(first.clean, grid)),
        "views": [
            _view(sample, label, painter, names, grid) for sample, label in zip(samples, labels)
        ],
        "numbers_below": len(formatting.clean_classes(first.statistics)) > _IN_A_COLUMN,
    }


def class_entry(label: int, painter: Painter, names: Sequence[str]) -> dict[str, str]:
    """Return name and color (``#rrggbb``) of a class."""
    colour: np.ndarray = painter.colours[label]
    return {"name": names[label], "colour": f"#{bytes(colour.tolist()).hex()}"}


def _backgrounds(sample: ComparedSample, painter: Painter, grid: Grid) -> dict[str, str | None]:
    """The image with the outline on it, and the ground of the difference."""
    if sample.image is None:
        return {"image": None, "ground": png_uri(painter.ground(sample.clean, grid))}
    image = grid.reduced(shown_image(sample.image))
    return {
        "image": data_uri(*photo(image)),
        "outline": png_uri(painter.outline(sample.clean, grid)),
        "ground": data_uri(*photo(painter.dimmed(image))),
    }


def _view(
    sample: ComparedSample, label: str, painter: Painter, names: Sequence[str], grid: Grid
) -> dict[str, Any]:
    """A sample at one position of the slider."""
    statistics = sample.statistics
    return {
        "at_label": f" at {label}" if label else "",
        "noisy": png_uri(painter.mask(sample.noisy, grid)),
        "difference": png_uri(painter.difference(sample, grid)),
        "share": formatting.percent(statistics.changed_share),
        "changed": formatting.changed(statistics),
        "dice": [
            {**class_entry(c, painter, names), "score": formatting.dice(statistics.dice[c])}
            for c in formatting.clean_classes(statistics)
        ],
        "new": formatting.only_noisy(statistics, names),
    }
