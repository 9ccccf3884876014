"""The outline of an object as polygons, and back to pixels."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .objects import MaskObject, MaskObjects
from .reshape import Shape
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
    polygons.sort(key=lambda polygon: polygon[0, ::-1].tolist())
    return [_corners(p) for p in polygons] if simple else polygons, max(parents, default=-1) >= 0


def _in_order(polygon: Polygon) -> Polygon:
    """The polygon from its first pixel in reading order on, clockwise in the image.

    OpenCV's releases differ in where a contour begins, and promise no direction.
    """
    first = np.flatnonzero(polygon[:, 1] == polygon[:, 1].min())
    first = first[polygon[first, 0] == polygon[first, 0].min()]
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
    filled = np.zeros(window.shape, dtype=bool)
    for polygon in polygons:
        filled |= _fill(polygon.astype(np.int64) - (window.left, window.top), *window.shape)
    return filled.view(np.uint8)


def _fill(polygon: Polygon, height: int, width: int) -> np.ndarray:
    start, end = polygon, _from(polygon, 1)
    downward = start[:, 1] <= end[:, 1]
    (x0, y0), (x1, y1) = (
        np.where(downward[:, None], *pair).T for pair in ((start, end), (end, start))
    )
    # Where each edge crosses each row; its lower end belongs to the next edge.
    edge, row = _expand(np.maximum(y0, 0), np.minimum(y1, height))
    rise = (row - y0[edge]) * (x1 - x0)[edge]
    column, rest = np.divmod(rise, (y1 - y0)[edge])
    column += x0[edge]
    # A pixel is inside if it lies to the right of an odd number of crossings.
    place = row * (width + 1) + np.clip(column + 1, 0, width)
    crossings = np.bincount(place, minlength=height * (width + 1)).reshape(height, width + 1)
    filled = np.cumsum(crossings[:, :width], axis=1) % 2 == 1
    # On the polygon: crossings at whole columns, horizontal edges, and the vertices.
    on = rest == 0
    flat = np.flatnonzero((y0 == y1) & (y0 >= 0) & (y0 < height))
    low, high = np.minimum(x0, x1)[flat], np.maximum(x0, x1)[flat] + 1
    line, along = _expand(np.maximum(low, 0), np.minimum(high, width))
    rows = np.concatenate([row[on], y0[flat][line], polygon[:, 1]])
    columns = np.concatenate([column[on], along, polygon[:, 0]])
    within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    filled[rows[within], columns[within]] = True
    return filled


def _expand(first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All whole numbers of each range [first, stop), and the number of the range of each."""
    count = np.maximum(stop - first, 0)
    owner = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return owner, np.arange(len(owner)) - before[owner] + first[owner]


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
    for old, new in zip(holes, new_holes):
        hole = fill_polygons([new], window)
        if not hole.any():
            hole = fill_polygons([old], window)
        pixels &= ~hole
    return Shape(window, pixels.view(bool) & valid[window.slices])
