"""Masks, differences and outlines as pictures of few colors."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .comparison import ComparedSample
from .palette import IGNORED

#: Width of the stripes of ignored pixels, in pixels of the picture.
_STRIPE = 4
#: Darkest gray of what a difference may lie on, and how many levels there are above it.
_GROUNDS = ((96, 64), (16, 48), (188, 48))


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """Which pixel of a mask each pixel of a picture shows. Nothing is averaged.

    Attributes:
        rows: for each row of the picture, the row of the mask.
        columns: the same for columns.
        shape: (H, W) of the mask.
    """

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def fitting(cls, shape: tuple[int, int], least: int, most: int) -> PixelGrid:
        """The grid whose longer side is that of the mask, or the nearest length in [least, most].

        Args:
            shape: (H, W) of the mask.
            least: pixels, at least 1.
            most: pixels, at least ``least``; 0 for no limit.

        Raises:
            ValueError: the mask has no pixels.
        """
        longest = max(shape)
        if min(shape) == 0:
            raise ValueError(f"a mask of {shape} (H, W) has no pixels to show")
        side = max(longest, least)
        if most:
            side = min(side, most)
        rows, columns = (_positions(length, -(-length * side // longest)) for length in shape)
        return cls(rows, columns, shape)

    @property
    def scale(self) -> float:
        """Pixels of the picture to a pixel of the mask, along a side."""
        return max(len(self.rows), len(self.columns)) / max(self.shape)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The picture of an (H, W) or (H, W, channels) array."""
        return pixels[self.rows[:, None], self.columns]

    def reduced(self, image: np.ndarray) -> np.ndarray:
        """An image of the mask's shape, its pixels averaged where the picture is smaller."""
        if self.scale >= 1:
            return image
        size = (len(self.columns), len(self.rows))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def photo(self, image: np.ndarray) -> np.ndarray:
        """An image of the mask's shape as a picture; averaged where that is smaller."""
        return self.reduced(image) if self.scale < 1 else self.apply(image)


def _positions(length: int, count: int) -> np.ndarray:
    """``count`` evenly spread positions among ``length``."""
    return (2 * np.arange(count) + 1) * length // (2 * count)


@dataclass(frozen=True)
class FlatPicture:
    """A picture of few colors.

    Attributes:
        indices: (H, W) int64 into ``colours``.
        colors: (K, 4) uint8 RGBA; alpha is 0 or 255.
    """

    indices: np.ndarray
    colours: np.ndarray

    @property
    def rgba(self) -> np.ndarray:
        """(H, W, 4) uint8."""
        return self.colours[self.indices]


class Painter:
    """Draws the pictures of samples of one data set.

    Args:
        colors: (C, 3) uint8 RGB of the classes.
        ignore_index: label of the pixels without a class.
    """

    def __init__(self, colours: np.ndarray, ignore_index: int) -> None:
        self.colours = colours
        self.classes = len(colours)
        self.ignore_index = ignore_index
        self._dark, self._levels = _ground_levels(colours)
        further = [*IGNORED, (self._dark,) * 3, (self._dark + self._levels,) * 3]
        opaque = np.concatenate([colours, np.array(further)])
        self._colours = np.zeros((len(opaque) + 1, 4), dtype=np.uint8)
        self._colours[:-1, :3] = opaque
        self._colours[:-1, 3] = 255
        self._ignored, self._ground = self.classes, self.classes + 2
        self._nothing = len(opaque)

    def mask(self, labels: np.ndarray, grid: PixelGrid) -> FlatPicture:
        """A mask in the classes' colors; ignored pixels striped gray."""
        return self._flat(labels, grid)

    def difference(self, sample: ComparedSample, grid: PixelGrid) -> FlatPicture:
        """The changed pixels in the color of their new class, ignored ones striped; the others are
        transparent."""
        changed = sample.noisy != sample.clean
        return self._flat(sample.noisy, grid, shown=changed | self._is_ignored(sample.clean))

    def outline(self, labels: np.ndarray, grid: PixelGrid) -> FlatPicture:
        """A line of black and white along the borders of the classes; the rest is transparent."""
        shown = grid.apply(labels)
        indices = np.where(_beside(shown, higher=True), 1, 0)
        indices[_beside(shown, higher=False)] = 2
        colours = np.array([(0, 0, 0, 0), (255,) * 4, (0, 0, 0, 255)], dtype=np.uint8)
        return FlatPicture(indices, colours)

    def ground(self, labels: np.ndarray, grid: PixelGrid) -> FlatPicture:
        """What a difference lies on where there is no image: gray, with the outline of the classes."""
        shown = grid.apply(labels)
        indices = np.full(shown.shape, self._ground)
        indices[_beside(shown, higher=True)] = self._ground + 1
        return FlatPicture(indices, self._colours)

    def dimmed(self, image: np.ndarray) -> np.ndarray:
        """(H, W) uint8: a BGR image in few grays, which are unlike the classes where there are such."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return (self._dark + grey.astype(np.uint16) * self._levels // 255).astype(np.uint8)

    def stripes(self, side: int) -> FlatPicture:
        """How ignored pixels look, as a square."""
        return FlatPicture(self._ignored + _stripes((side, side)), self._colours)

    def _is_ignored(self, labels: np.ndarray) -> np.ndarray:
        return (labels < 0) | (labels >= self.classes)

    def _flat(
        self, labels: np.ndarray, grid: PixelGrid, shown: np.ndarray | None = None
    ) -> FlatPicture:
        picture = grid.apply(labels).astype(np.int64)
        ignored = self._is_ignored(picture)
        picture[ignored] = self._ignored + _stripes(picture.shape)[ignored]
        if shown is not None:
            picture[~grid.apply(shown)] = self._nothing
        return FlatPicture(picture, self._colours)


def shown_image(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 BGR of whatever a pipeline calls an image.

    One channel becomes three, of more than three the first three stay; what is not uint8 is stretched
    from its darkest to its brightest value.
    """
    image = image[..., None] if image.ndim == 2 else image
    image = image[..., :3] if image.shape[2] >= 3 else image[..., [0, 0, 0]]
    if image.dtype != np.uint8:
        values = np.nan_to_num(image.astype(np.float64))
        low, high = values.min(), values.max()
        image = np.round((values - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    return np.ascontiguousarray(image)


def _ground_levels(colours: np.ndarray) -> tuple[int, int]:
    """The grays that are farthest from the class nearest to them; the first ones if in doubt."""
    colours = colours.astype(np.float64)

    def distance(levels: tuple[int, int]) -> float:
        nearest = np.clip(colours.mean(axis=1), levels[0], sum(levels))
        return float(np.linalg.norm(colours - nearest[:, None], axis=1).min())

    return max(_GROUNDS, key=distance)


def _stripes(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) int64: 0 and 1 in slanting stripes."""
    return np.indices(shape).sum(axis=0) // _STRIPE % 2


def _beside(labels: np.ndarray, *, higher: bool) -> np.ndarray:
    """Bool: the pixels with a lower label (or a higher one) above, below, left or right of them."""
    padded = np.pad(labels.astype(np.int64), 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    beside = np.zeros(labels.shape, dtype=bool)
    for other in around:
        beside |= middle > other if higher else middle < other
    return beside
