"""Rectangles of a mask: object models work in a small one, not in the whole image."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Window(NamedTuple):
    """Rows [top, bottom) and columns [left, right) of an image."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index of the window in an (H, W) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.bottom - self.top, self.right - self.left

    def grown(self, margin: int, image_shape: tuple[int, int]) -> Window:
        """The window with ``margin`` more pixels on each side, cut at the image's edges."""
        height, width = image_shape
        return Window(
            max(self.top - margin, 0),
            min(self.bottom + margin, height),
            max(self.left - margin, 0),
            min(self.right + margin, width),
        )

    def shifted(self, down: int, right: int) -> Window:
        """The window so many pixels farther down and to the right."""
        return Window(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def covers(self, image_shape: tuple[int, int]) -> bool:
        """Whether the window is the whole image."""
        return self == (0, image_shape[0], 0, image_shape[1])

    def inside(self, outer: Window) -> tuple[slice, slice]:
        """The index of this window in an array that spans ``outer``, which must contain it."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def squared_exit_distance(self, image_shape: tuple[int, int]) -> np.ndarray:
        """Squared distance in pixels from each pixel to the nearest image pixel off the window.

        A search for the nearest of something within the window is known to be right where it found
        one nearer than this.

        Returns:
            float64 of the window's shape; infinite where the window is the whole image.
        """
        (height, width), (rows, columns) = image_shape, self.shape
        vertical = np.full(rows, np.inf)
        horizontal = np.full(columns, np.inf)
        if self.top > 0:
            vertical = np.minimum(vertical, np.arange(1, rows + 1))
        if self.bottom < height:
            vertical = np.minimum(vertical, np.arange(rows, 0, -1))
        if self.left > 0:
            horizontal = np.minimum(horizontal, np.arange(1, columns + 1))
        if self.right < width:
            horizontal = np.minimum(horizontal, np.arange(columns, 0, -1))
        return np.minimum.outer(vertical, horizontal) ** 2


def bounding_box(pixels: np.ndarray) -> Window:
    """The bounding box of uint8 pixels, of which at least one is set."""
    left, top, width, height = cv2.boundingRect(pixels)
    return Window(top, top + height, left, left + width)


class Shape(NamedTuple):
    """The new pixels of an object.

    Attributes:
        window: a part of the image that holds all of them.
        pixels: bool of the window's shape; none of them True where the mask is ignored.
    """

    window: Window
    pixels: np.ndarray
