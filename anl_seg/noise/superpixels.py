"""Superpixels: an image in small regions that follow its edges."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .rounding import round_half_up

# Beyond every difference of two colors.
_NEVER = 3 * 255 + 1


def superpixels(image: np.ndarray, n_segments: int, compactness: int = 2) -> np.ndarray:
    """Divide an image into about ``n_segments`` connected regions.

    A watershed of the image, smoothed by a 3 x 3 median, from one seed in each cell of a regular
    grid. The seed is the pixel with the lowest gradient in the middle two thirds of its cell, the
    nearest to the middle where several are equally low. Regions grow over the smallest change of
    color first: the larger of the changes of (red + 2 green + blue) / 4 and (red - blue) / 2.
    Changes and gradients below ``compactness`` count as equal, so that where there is no edge
    regions start from the middle of their cells and grow at the same pace. Pixels on the lines
    between regions join the neighbor (of four) whose color is nearest. Whole numbers all through:
    the result is the same on every machine.

    Args:
        image: (H, W, 3) uint8; blue, green, red.
        n_segments: at least 1. The regions are as many as the cells of the grid: ``n_segments``
            rounded to a product of rows and columns, and no more than there are pixels.
        compactness: in [0, 255], in gray levels.

    Returns:
        (H, W) int32, numbers 0 to n - 1 in the reading order of the grid, each of them used.

    Source: after Machairas et al., "Waterpixels", IEEE TIP 2015, who grow by gradient plus distance
    to the middle of the cell.
    """
    height, width = image.shape[:2]
    if height * width == 0:
        return np.zeros((height, width), dtype=np.int32)
    rows, columns = _grid(height, width, n_segments)
    smooth = cv2.medianBlur(image, 3)
    y, x = _seeds(smooth, rows, columns, compactness)
    # The watershed takes the outermost pixels for lines: one more pixel on each side.
    padded = cv2.copyMakeBorder(smooth, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    markers = np.zeros((height + 2, width + 2), dtype=np.int32)
    markers[y + 1, x + 1] = np.arange(1, rows * columns + 1)
    cv2.watershed(_relief(padded, compactness), markers)
    _join_lines(markers, padded)
    return markers[1:-1, 1:-1] - 1


def _relief(image: np.ndarray, compactness: int) -> np.ndarray:
    """(H, W, 3) uint8, what to flood.

    cv2.watershed goes by the largest change of any channel between a pixel and one beside it. The
    third channel is a chessboard: no step changes less than its two values differ.
    """
    blue, green, red = (channel.astype(np.int16) for channel in cv2.split(image))
    relief = np.empty_like(image)
    relief[..., 0] = (blue + 2 * green + red) >> 2
    relief[..., 1] = (red - blue + 255) >> 1
    relief[::2, ::2, 2] = relief[1::2, 1::2, 2] = 0
    relief[1::2, ::2, 2] = relief[::2, 1::2, 2] = compactness
    return relief


def _grid(height: int, width: int, n_segments: int) -> tuple[int, int]:
    """Rows and columns of a grid of about ``n_segments`` cells that are about square."""
    short, long = min(height, width), max(height, width)
    across = round_half_up(math.sqrt(n_segments * short / long))
    across = min(max(across, 1), short)
    along = min(max(round_half_up(n_segments / across), 1), long)
    return (across, along) if height <= width else (along, across)


def _seeds(
    image: np.ndarray, rows: int, columns: int, compactness: int
) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of the seed of each cell, no two of them at one place."""
    height, width = image.shape[:2]
    # Two thirds of a cell: the seeds of neighboring cells cannot meet.
    y_reach, x_reach = height // rows // 3, width // columns // 3
    y_middle = (2 * np.arange(rows) + 1) * height // (2 * rows)
    x_middle = (2 * np.arange(columns) + 1) * width // (2 * columns)
    y_offset = np.arange(-y_reach, y_reach + 1)
    x_offset = np.arange(-x_reach, x_reach + 1)
    y = (y_middle[:, None] + y_offset)[:, None, :, None]
    x = (x_middle[:, None] + x_offset)[None, :, None, :]
    gradient = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    steepest = np.maximum(np.maximum(gradient[..., 0], gradient[..., 1]), gradient[..., 2])
    steepest = np.maximum(steepest, np.uint8(compactness))
    squared_distance = np.add.outer(y_offset**2, x_offset**2)
    key = steepest[y, x].astype(np.int64) * (int(squared_distance.max()) + 1) + squared_distance
    best = key.reshape(rows * columns, -1).argmin(axis=1)
    return (
        np.repeat(y_middle, columns) + y_offset[best // len(x_offset)],
        np.tile(x_middle, rows) + x_offset[best % len(x_offset)],
    )


def _join_lines(markers: np.ndarray, image: np.ndarray) -> None:
    """Give each pixel within the outermost ones that has no region that of a neighbor, in place.

    Args:
        markers: (H, W) int32, regions from 1 on. cv2.watershed leaves -1 on lines between regions,
            and 0 on pixels that lines enclose.
        image: (H, W, 3) uint8.
    """
    width = markers.shape[1]
    # Negative outside, so that nothing joins the outermost pixels.
    markers[[0, -1]] = -1
    markers[:, [0, -1]] = -1
    inner = np.zeros(markers.shape, dtype=bool)
    inner[1:-1, 1:-1] = True
    flat = markers.reshape(-1)
    colors = image.reshape(-1, 3).astype(np.int16)
    todo = np.flatnonzero((flat <= 0) & inner.reshape(-1))
    while len(todo):
        own = colors[todo]
        nearest = np.full(len(todo), _NEVER, dtype=np.int16)
        region = np.zeros(len(todo), dtype=np.int32)
        for step in (-width, -1, 1, width):
            beside = todo + step
            found = flat[beside]
            change = np.abs(colors[beside] - own)
            change = change[:, 0] + change[:, 1] + change[:, 2]
            closer = (found > 0) & (change < nearest)
            nearest[closer] = change[closer]
            region[closer] = found[closer]
        # All at once: which pixel comes first must not matter.
        flat[todo] = region
        todo = todo[region == 0]
