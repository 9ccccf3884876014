"""The outline of an object as polygons, and back to pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .objects import MaskObject, MaskObjects
from .runs import batches, ranges
from .window import Shape, Window

#: A polygon: (N, 2) int32, x and y in pixels of the image, N >= 1.
Polygon = np.ndarray

# Pixels of the windows that are filled together.
_BATCH = 2**22


def outlines(
    own: np.ndarray, window: Window, *, simple: bool
) -> tuple[list[Polygon], list[Polygon]]:
    """The outer outline of an 8-connected object, and those of its holes.

    Args:
        own: bool of the window's shape, True at the object's pixels.
        simple: whether straight runs (horizontal, vertical, diagonal) keep only their ends.

    Returns:
        The outer polygons (one, for one object), and one polygon around the pixels of each hole.
    """
    pixels = own.view(np.uint8)
    outer, has_holes = _external(pixels, window, simple)
    if not has_holes:
        return outer, []
    inside = fill_polygons(outer, window) & ~pixels & 1
    return outer, _external(inside, window, simple)[0]


def _external(pixels: np.ndarray, window: Window, simple: bool) -> tuple[list[Polygon], bool]:
    """The outer outlines of the regions of a mask, and whether any region has a hole."""
    # As a list: where a region has many holes, the time that OpenCV takes for who lies in whom grows
    # with the square of their number.
    found, _ = cv2.findContours(
        pixels, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE, offset=(window.left, window.top)
    )
    outer = [c for c in found if cv2.contourArea(c, oriented=True) * _hole_sign() <= 0]
    polygons = [_in_order(c[:, 0, :]) for c in outer]
    if len(polygons) > 1:
        polygons.sort(key=lambda polygon: polygon[0, ::-1].tolist())
    return [_corners(p) for p in polygons] if simple else polygons, len(outer) < len(found)


@functools.cache
def _hole_sign() -> float:
    """The sign of the oriented area of the outline of a hole, which is never 0; others have the other.

    Tried out, as OpenCV promises neither direction.
    """
    ring = np.ones((3, 3), dtype=np.uint8)
    ring[1, 1] = 0
    found, _ = cv2.findContours(ring, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.sign(min((cv2.contourArea(c, oriented=True) for c in found), key=abs))


def _in_order(polygon: Polygon) -> Polygon:
    """The polygon from its first pixel in reading order on, clockwise in the image.

    OpenCV's releases differ in where a contour begins, and promise no direction.
    """
    place = (polygon[:, 1].astype(np.int64) << 32) + polygon[:, 0]
    first = np.flatnonzero(place == place.min())
    best = None
    for start in first.tolist():  # several where the outline passes through the pixel again
        onward = _from(polygon, start)
        for way in (onward, np.concatenate([onward[:1], onward[:0:-1]])):
            # From the first pixel a clockwise outline goes on to the right rather than down.
            if best is None or _before(best, way):
                best = way
    assert best is not None  # a polygon has a first corner
    return best


def _from(polygon: Polygon, start: int) -> Polygon:
    return np.concatenate([polygon[start:], polygon[:start]])


def _before(one: Polygon, other: Polygon) -> bool:
    """Whether the first pixel in which they differ lies more to the left, or higher, in ``one``."""
    # The second pixel tells nearly always, and faster.
    second, other_second = one[1:2].tolist(), other[1:2].tolist()
    if second != other_second:
        return second < other_second
    differ = np.flatnonzero((one != other).any(axis=1))
    return len(differ) > 0 and one[differ[0]].tolist() < other[differ[0]].tolist()


def _corners(polygon: Polygon) -> Polygon:
    """The polygon without the pixels at which it goes straight on."""
    if len(polygon) < 3:
        return polygon
    leaving = _from(polygon, 1) - polygon
    arriving = _from(leaving, len(leaving) - 1)
    return polygon[(arriving != leaving).any(axis=1)]


def fill_polygons(polygons: list[Polygon], window: Window) -> np.ndarray:
    """uint8 of the window's shape, 1 where a pixel's center lies in or on a polygon.

    Even-odd where a polygon crosses itself. In whole numbers: OpenCV's own filling draws other
    pixels along the edges from release to release.
    """
    canvas = _Canvas(np.array([window]))
    pixels, _ = canvas.fill(polygons, np.zeros(len(polygons), dtype=np.int64))
    return np.ascontiguousarray(canvas.views(pixels)[0]).view(np.uint8)


class _Canvas:
    """Many windows in one array, to fill polygons in all of them at once.

    Args:
        boxes: (N, 4) top, bottom, left and right of each window.
    """

    def __init__(self, boxes: np.ndarray) -> None:
        self.top, bottom, self.left, right = boxes.T
        self.height, self.width = bottom - self.top, right - self.left
        # One more column for the ends of runs.
        self.size = self.height * (self.width + 1)
        self.offset = np.cumsum(self.size) - self.size

    def views(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The pixels of each window, (height, width)."""
        return [
            pixels[offset : offset + height * (width + 1)].reshape(height, width + 1)[:, :width]
            for offset, height, width in zip(
                self.offset.tolist(), self.height.tolist(), self.width.tolist()
            )
        ]

    def fill(self, polygons: list[Polygon], where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fill polygons, each cut at its window.

        Args:
            where: (P,) the window of each polygon.

        Returns:
            Bool of the whole array, True in or on the polygons; and (P,) bool, whether any of a
            polygon lies in its window.
        """
        sizes = np.array([len(polygon) for polygon in polygons])
        corners = polygons[0] if len(polygons) == 1 else np.concatenate(polygons)
        owner = np.repeat(np.arange(len(polygons)), sizes)
        window = where[owner]
        x, y = corners[:, 0] - self.left[window], corners[:, 1] - self.top[window]
        owner, row, first, stop = _runs(x, y, sizes, owner, self.height[window])
        window = where[owner]
        np.maximum(first, 0, out=first)
        np.minimum(stop, self.width[window], out=stop)
        kept = (first < stop) & (row >= 0) & (row < self.height[window])
        # How many runs begin, less how many end: summed, in how many runs a pixel lies.
        start = (self.offset[window] + row * (self.width[window] + 1))[kept]
        depth = np.zeros(int(self.size.sum()), dtype=np.int32)
        np.add.at(depth, start + first[kept], 1)
        np.subtract.at(depth, start + stop[kept], 1)
        np.cumsum(depth, out=depth)
        seen = np.zeros(len(polygons), dtype=bool)
        seen[owner[kept]] = True
        return depth > 0, seen


def _runs(
    x: np.ndarray, y: np.ndarray, sizes: np.ndarray, owner: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The runs of pixels in or on polygons: memory goes with the outlines, not with the area.

    Args:
        x, y: (N,) the corners of all polygons, in their windows.
        sizes: (P,) how many corners each has.
        owner: (N,) the polygon of each corner.
        height: (N,) that of its window; runs above and below may be left out.

    Returns:
        (R,) polygon, row, first column and the one behind the last of each run.
    """
    following = np.arange(1, len(x) + 1)
    last = np.cumsum(sizes)
    following[last - 1] = last - sizes
    x_end, y_end = x[following], y[following]
    # Each edge from its upper end to its lower one, which belongs to the next edge.
    up = y > y_end
    x0, y0 = np.where(up, x_end, x), np.where(up, y_end, y)
    fall, run = np.abs(y_end - y), np.where(up, x - x_end, x_end - x)
    edge, row = ranges(np.maximum(y0, 0), np.minimum(y0 + fall, height))
    column, rest = np.divmod((row - y0[edge]) * run[edge], fall[edge])
    column += x0[edge]
    owned = owner[edge]
    # A polygon crosses a row an even number of times: inside is what lies between a crossing and the
    # next, the latter included.
    order = np.lexsort((column, row, owned))
    enter, leave = order[::2], order[1::2]
    # On the polygon: crossings at whole columns, horizontal edges, and the vertices.
    on = np.flatnonzero(rest == 0)
    flat = np.flatnonzero(fall == 0)
    low, high = np.minimum(x, x_end)[flat], np.maximum(x, x_end)[flat]
    return (
        np.concatenate([owned[enter], owned[on], owner[flat], owner]),
        np.concatenate([row[enter], row[on], y[flat], y]),
        np.concatenate([column[enter] + 1, column[on], low, x]),
        np.concatenate([column[leave], column[on], high, x]) + 1,
    )


class Outline(NamedTuple):
    """An object whose outlines have been redrawn, before it is filled.

    Attributes:
        outer: the new outer polygons.
        holes: the old polygons of its holes.
        new_holes: the new ones.
    """

    outer: list[Polygon]
    holes: list[Polygon]
    new_holes: list[Polygon]


def redraw_outline(
    objects: MaskObjects, obj: MaskObject, redraw: Callable[[Polygon], Polygon], *, simple: bool
) -> Outline:
    """Redraw the outlines of an object.

    Args:
        redraw: takes the polygon of an outline, returns another.
        simple: as in :func:`outlines`.
    """
    outer, holes = outlines(objects.own(obj, obj.window), obj.window, simple=simple)
    return Outline([redraw(p) for p in outer], holes, [redraw(p) for p in holes])


def fill_outlines(redrawn: Sequence[Outline], valid: np.ndarray) -> list[Shape]:
    """The pixels of objects whose outlines have been redrawn, many objects at a time.

    A hole whose new outline lies off the object's part of the image keeps the old one: no hole gets
    lost. Where the outer outline crosses a hole, the hole opens.

    Args:
        valid: (H, W) bool, which pixels have a class.
    """
    if not redrawn:
        return []
    boxes = _boxes(redrawn, valid.shape)
    shapes = []
    for batch in batches((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]), _BATCH):
        shapes += _fill_batch(redrawn[batch], boxes[batch], valid)
    return shapes


def _boxes(redrawn: Sequence[Outline], image_shape: tuple[int, int]) -> np.ndarray:
    """(N, 4) top, bottom, left and right of each new outline, cut at the image; 0 if nothing is left."""
    counts = [sum(map(len, outline.outer)) for outline in redrawn]
    corners = np.concatenate([polygon for outline in redrawn for polygon in outline.outer])
    first = (np.cumsum(counts) - counts).astype(np.intp)
    (left, top), (right, bottom) = (
        np.minimum.reduceat(corners, first).T,
        np.maximum.reduceat(corners, first).T + 1,
    )
    height, width = image_shape
    boxes = np.stack([top, bottom, left, right], axis=1).astype(np.int64)
    boxes = np.clip(boxes, 0, [height, height, width, width])
    boxes[(boxes[:, 0] >= boxes[:, 1]) | (boxes[:, 2] >= boxes[:, 3])] = 0
    return boxes


def _fill_batch(redrawn: Sequence[Outline], boxes: np.ndarray, valid: np.ndarray) -> list[Shape]:
    canvas = _Canvas(boxes)
    pixels, _ = canvas.fill(*_listed([outline.outer for outline in redrawn]))
    holes, where = _listed([outline.new_holes for outline in redrawn])
    if holes:
        old_holes, _ = _listed([outline.holes for outline in redrawn])
        painted, seen = canvas.fill(holes, where)
        pixels &= ~painted
        lost = np.flatnonzero(~seen)
        if len(lost):
            pixels &= ~canvas.fill([old_holes[i] for i in lost.tolist()], where[lost])[0]
    windows = [Window(*box) for box in boxes.tolist()]
    return [
        Shape(window, own & valid[window.slices])
        for window, own in zip(windows, canvas.views(pixels))
    ]


def _listed(polygons: list[list[Polygon]]) -> tuple[list[Polygon], np.ndarray]:
    """All polygons of a list of lists, and which list each is from."""
    where = np.repeat(np.arange(len(polygons)), [len(some) for some in polygons])
    return [polygon for some in polygons for polygon in some], where
