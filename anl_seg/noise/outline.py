"""The outline of an object as polygons, and back to pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from .objects import MaskObject, MaskObjects
from .reshape import Shape
from .runs import ranges
from .window import Window

#: A polygon: (N, 2) int32, x and y in pixels of the image, N >= 1.
Polygon = np.ndarray


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
    found, hierarchy = cv2.findContours(
        pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(window.left, window.top)
    )
    parents = [] if hierarchy is None else hierarchy[0, :, 3].tolist()
    polygons = [_in_order(c[:, 0, :]) for c, parent in zip(found, parents) if parent < 0]
    if len(polygons) > 1:
        polygons.sort(key=lambda polygon: polygon[0, ::-1].tolist())
    return [_corners(p) for p in polygons] if simple else polygons, max(parents, default=-1) >= 0


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
    """uint8 of the window's shape, 1 where a pixel's centre lies in or on a polygon.

    Even-odd where a polygon crosses itself. In whole numbers: OpenCV's own filling draws other
    pixels along the edges from release to release.
    """
    return _paint(_runs(polygons, window), window)


class _Runs(NamedTuple):
    """Runs of pixels in or on polygons, cut at a window.

    Attributes:
        polygon: (N,) the position of the polygon of each run; each run has at least one pixel.
        row: (N,) its row in the window.
        first, stop: (N,) its columns in the window, [first, stop).
    """

    polygon: np.ndarray
    row: np.ndarray
    first: np.ndarray
    stop: np.ndarray


def _runs(polygons: list[Polygon], window: Window) -> _Runs:
    """The pixels of all polygons at once: memory goes with their outlines, not with their area."""
    height, width = window.shape
    corners = polygons[0] if len(polygons) == 1 else np.concatenate(polygons)
    x, y = corners.T.astype(np.int64) - np.array([[window.left], [window.top]])
    sizes = [len(polygon) for polygon in polygons]
    owner = np.repeat(np.arange(len(polygons)), sizes)
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
    order = np.lexsort((column, owned * height + row))
    enter, leave = order[::2], order[1::2]
    # On the polygon: crossings at whole columns, horizontal edges, and the vertices.
    on = np.flatnonzero(rest == 0)
    flat = np.flatnonzero(fall == 0)
    low, high = np.minimum(x, x_end)[flat], np.maximum(x, x_end)[flat]
    rows = np.concatenate([row[enter], row[on], y[flat], y])
    first = np.concatenate([column[enter] + 1, column[on], low, x])
    stop = np.concatenate([column[leave], column[on], high, x]) + 1
    whose = np.concatenate([owned[enter], owned[on], owner[flat], owner])
    np.maximum(first, 0, out=first)
    np.minimum(stop, width, out=stop)
    kept = (first < stop) & (rows >= 0) & (rows < height)
    return _Runs(whose[kept], rows[kept], first[kept], stop[kept])


def _paint(runs: _Runs, window: Window) -> np.ndarray:
    """uint8 of the window's shape, 1 in the runs."""
    height, width = window.shape
    # How many runs begin, less how many end: summed along the rows, in how many runs a pixel lies.
    start = runs.row * (width + 1)
    size = height * (width + 1)
    depth = np.zeros(size, dtype=np.int32)
    np.add.at(depth, start + runs.first, 1)
    np.subtract.at(depth, start + runs.stop, 1)
    np.cumsum(depth, out=depth)
    return (depth.reshape(height, width + 1)[:, :width] > 0).view(np.uint8)


def redraw_outline(
    valid: np.ndarray,
    objects: MaskObjects,
    obj: MaskObject,
    redraw: Callable[[Polygon], Polygon],
    *,
    simple: bool,
) -> Shape:
    """An object whose outlines have been redrawn, filled again.

    A hole whose new outline lies off the object's part of the image keeps the old one: no hole gets
    lost. Where the outer outline crosses a hole, the hole opens.

    Args:
        redraw: takes the polygon of an outline, returns another.
        simple: as in :func:`outlines`.
    """
    outer, holes = outlines(objects.own(obj, obj.window), obj.window, simple=simple)
    new_outer = [redraw(polygon) for polygon in outer]
    new_holes = [redraw(polygon) for polygon in holes]
    corners = np.concatenate(new_outer)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    height, width = valid.shape
    window = Window(
        min(max(top, 0), height),
        max(min(bottom + 1, height), 0),
        min(max(left, 0), width),
        max(min(right + 1, width), 0),
    )
    if window.top >= window.bottom or window.left >= window.right:
        empty = Window(0, 0, 0, 0)
        return Shape(empty, np.zeros(empty.shape, dtype=bool))
    pixels = fill_polygons(new_outer, window)
    if holes:
        pixels &= ~_paint_holes(holes, new_holes, window)
    return Shape(window, pixels.view(bool) & valid[window.slices])


def _paint_holes(holes: list[Polygon], new_holes: list[Polygon], window: Window) -> np.ndarray:
    """uint8 of the window's shape, 1 in the new holes; of those off the window, in the old ones."""
    runs = _runs(new_holes, window)
    lost = np.ones(len(holes), dtype=bool)
    lost[runs.polygon] = False
    painted = _paint(runs, window)
    kept = [hole for hole, is_lost in zip(holes, lost.tolist()) if is_lost]
    if kept:
        painted |= fill_polygons(kept, window)
    return painted
