"""Figures drawn without matplotlib's global state: no pyplot, no choice of a backend."""

from __future__ import annotations

import functools
import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from PIL import Image

DPI = 100
#: Comes with matplotlib.
FONT = "DejaVu Sans"


def new_figure(width: int, height: int) -> Figure:
    """A white figure of so many pixels."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")


def figure_png(figure: Figure) -> bytes:
    """The figure as PNG; the same bytes for the same figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return stream.getvalue()


@functools.lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    return frozenset(FT2Font(findfont(FONT)).get_charmap())


def drawable(text: str) -> str:
    """``text`` with ``?`` for what the font lacks, and dollars that start no formula."""
    known = _known_characters()
    return "".join(c if ord(c) in known else "?" for c in text).replace("$", r"\$")


class Canvas:
    """A white picture on which things are placed by pixel, counted from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._figure = new_figure(width, height)

    def picture(self, x: int, y: int, pixels: np.ndarray) -> None:
        """An (H, W, 3) uint8 RGB array, each of its pixels one of the picture."""
        self._figure.figimage(pixels, x, self._height - y - len(pixels), origin="upper")

    def text(
        self, x: float, y: float, text: str, *, size: float = 8, bold: bool = False, right=False
    ) -> None:
        """A text whose line is centered on y and starts (with ``right``: ends) at x."""
        self._figure.text(
            x / self._width,
            1 - y / self._height,
            drawable(text),
            fontsize=size,
            family=FONT,
            weight="bold" if bold else "normal",
            color="black",
            ha="right" if right else "left",
            va="center_baseline",
        )

    def swatch(self, x: int, y: float, colour: np.ndarray, side: int = 9) -> None:
        """A square of one color, its left edge at x and its middle at y."""
        corner = (x / self._width, 1 - (y + side / 2) / self._height)
        square = Rectangle(
            corner,
            side / self._width,
            side / self._height,
            transform=self._figure.transFigure,
            facecolor=colour / 255,
            edgecolor="0.4",
            linewidth=0.5,
        )
        self._figure.add_artist(square)

    def png(self) -> bytes:
        """The picture."""
        return figure_png(self._figure)
