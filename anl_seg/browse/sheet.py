"""The contact sheet: a row per sample, as one PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np

from . import formatting
from .canvas import Canvas
from .comparison import ComparedSample
from .pictures import Painter, PixelGrid, shown_image

#: Longest side of a picture, width of the text beside the pictures, and spaces, in pixels.
_SIDE = 320
_TEXT = 380
_GAP = 12
_LINE = 16
#: Characters of the small font in a pixel, about.
_CHARACTERS = 1 / 6.4
#: So many classes are listed below each other before a further column starts.
_CLASSES_IN_COLUMN = 14
#: So many lines name the classes that the noise brought into a mask.
_NEW_LINES = 4


def draw_sheet(
    samples: Sequence[ComparedSample],
    painter: Painter,
    names: Sequence[str],
    *,
    title: str,
    subtitle: str,
) -> bytes:
    """Image, clean and noisy mask, their difference and numbers, a row per sample.

    The image has the outline of the clean mask; the column is left out if no sample has an image.
    The difference has the changed pixels in the color of their new class.

    Args:
        samples: what to show, at least one.
        painter: knows the colors of the classes.
        names: of the classes.
        title: of the sheet; the noise.
        subtitle: where the samples come from.

    Returns:
        A PNG; the same bytes for the same arguments.
    """
    rows = [_row_pictures(sample, painter) for sample in samples]
    columns = [
        c for c in ("image", "clean", "noisy", "difference") if any(c in row for row in rows)
    ]
    widths = {c: max(row[c].shape[1] for row in rows if c in row) for c in columns}
    texts = [_RowText(sample, names) for sample in samples]
    heights = [
        max(text.height, *(p.shape[0] for p in row.values())) for row, text in zip(rows, texts)
    ]
    width = sum(widths.values()) + _TEXT + _GAP * (len(columns) + 2)
    title_lines = textwrap.wrap(title, int(width * _CHARACTERS * 0.7)) or [""]
    subtitle_lines = textwrap.wrap(subtitle, int(width * _CHARACTERS))
    legend = _legend(samples, names, painter, width - 2 * _GAP)
    head = _GAP + 22 * len(title_lines) + _LINE * len(subtitle_lines) + 24
    height = head + sum(heights) + _GAP * (len(rows) + 1) + _LINE * len(legend)
    canvas = Canvas(width, height)
    y = _GAP + 8
    for line in title_lines:
        canvas.text(_GAP, y, line, size=11, bold=True)
        y += 22
    for line in subtitle_lines:
        canvas.text(_GAP, y, line)
        y += _LINE
    y = head
    x = _GAP
    for column in columns:
        canvas.text(x, y - 10, _HEADINGS[column], size=9, bold=True)
        x += widths[column] + _GAP
    for row, text, row_height in zip(rows, texts, heights):
        x = _GAP
        for column in columns:
            if column in row:
                canvas.picture(x, y, row[column])
            x += widths[column] + _GAP
        text.draw(canvas, x, y, painter)
        y += row_height + _GAP
    for entries in legend:
        x = _GAP
        for name, colour, length in entries:
            if colour is None:
                canvas.picture(x, int(y) + 3, painter.stripes(9).rgba[..., :3])
            else:
                canvas.swatch(x, y + 7.5, colour)
            canvas.text(x + 14, y + 7.5, name)
            x += length
        y += _LINE
    return canvas.png()


_HEADINGS = {
    "image": "image, clean outline",
    "clean": "clean mask",
    "noisy": "noisy mask",
    "difference": "difference, in the new class",
}


def _row_pictures(sample: ComparedSample, painter: Painter) -> dict[str, np.ndarray]:
    """The pictures of a sample, (H, W, 3) uint8 RGB, by column."""
    grid = PixelGrid.fitting(sample.clean.shape, _SIDE, _SIDE)
    ground = painter.ground(sample.clean, grid).rgba[..., :3]
    pictures = {}
    if sample.image is not None:
        image = grid.photo(shown_image(sample.image))
        outline = painter.outline(sample.clean, grid).rgba
        pictures["image"] = _over(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), outline)
        ground = cv2.cvtColor(painter.dimmed(image), cv2.COLOR_GRAY2RGB)
    pictures["clean"] = painter.mask(sample.clean, grid).rgba[..., :3]
    pictures["noisy"] = painter.mask(sample.noisy, grid).rgba[..., :3]
    pictures["difference"] = _over(ground, painter.difference(sample, grid).rgba)
    return pictures


def _over(ground: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) ``ground`` with the opaque pixels of an RGBA picture on it."""
    return np.where(picture[..., 3:] > 0, picture[..., :3], ground)


class _RowText:
    """The text beside a row of pictures."""

    def __init__(self, sample: ComparedSample, names: Sequence[str]) -> None:
        statistics = sample.statistics
        letters = int(_TEXT * _CHARACTERS)
        self.key = textwrap.wrap(formatting.printable(sample.key), int(letters * 0.85))
        self.share = textwrap.wrap(formatting.changed(statistics), letters)
        present = formatting.clean_classes(statistics)
        columns = 1 if len(present) <= _CLASSES_IN_COLUMN else 2
        self.column_width = min(220, _TEXT // columns)
        self.per_column = -(-len(present) // columns)
        fitting = int((self.column_width - 66) * _CHARACTERS)
        self.classes = [
            (
                label,
                formatting.shortened(names[label], fitting),
                formatting.dice(statistics.dice[label]),
            )
            for label in present
        ]
        self.new = textwrap.wrap(formatting.only_noisy(statistics, names), letters)
        if len(self.new) > _NEW_LINES:
            self.new = [*self.new[: _NEW_LINES - 1], "... (all of them are on the page)"]
        lines = len(self.key) + len(self.share) + self.per_column + len(self.new)
        self.height = _LINE * (lines + 2)

    def draw(self, canvas: Canvas, x: int, y: float, painter: Painter) -> None:
        """Write the text with its upper left corner at (x, y)."""
        y += 7
        for line in self.key:
            canvas.text(x, y, line, bold=True)
            y += _LINE
        for line in self.share:
            canvas.text(x, y, line)
            y += _LINE
        if not self.classes:
            return
        y += 6
        canvas.text(x, y, "Dice of clean and noisy", size=7.5)
        y += _LINE
        for number, (label, name, score) in enumerate(self.classes):
            column, row = divmod(number, self.per_column)
            left, middle = x + column * self.column_width, y + row * _LINE
            canvas.swatch(left, middle, painter.colours[label])
            canvas.text(left + 14, middle, name)
            canvas.text(left + self.column_width - 14, middle, score, right=True)
        y += self.per_column * _LINE + 2
        for line in self.new:
            canvas.text(x, y, line, size=7.5)
            y += _LINE


def _legend(
    samples: Sequence[ComparedSample], names: Sequence[str], painter: Painter, width: int
) -> list[list[tuple[str, np.ndarray | None, int]]]:
    """Lines of (name, color or None for ignored, length in pixels)."""
    present = sorted({label for s in samples for label in formatting.present_classes(s.statistics)})
    entries: list[tuple[str, np.ndarray | None]] = [
        (formatting.shortened(names[label], 40), painter.colours[label]) for label in present
    ]
    if any(s.statistics.valid_pixels < s.clean.size for s in samples):
        entries.append((f"ignored ({painter.ignore_index})", None))
    lines: list[list[tuple[str, np.ndarray | None, int]]] = [[]]
    used = 0
    for name, colour in entries:
        length = int(len(name) / _CHARACTERS) + 34
        if lines[-1] and used + length > width:
            lines.append([])
            used = 0
        lines[-1].append((name, colour, length))
        used += length
    return lines
