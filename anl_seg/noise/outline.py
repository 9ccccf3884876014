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
    outer = _external(pixels, window, simple)
    filled = fill_polygons(outer, window)
    return outer, _external(filled & ~pixels & 1, window, simple)


def _external(pixels: np.ndarray, window: Window, simple: bool) -> list[Polygon]:
    method = cv2.CHAIN_APPROX_SIMPLE if simple else cv2.CHAIN_APPROX_NONE
    found = cv2.findContours(pixels, cv2.RETR_EXTERNAL, method, offset=(window.left, window.top))[0]
    polygons = [contour[:, 0, :] for contour in found]
    # OpenCV does not promise an order of the contours.
    return sorted(polygons, key=lambda p: (int(p[:, 1].min()), p.tolist()))


def fill_polygons(polygons: list[Polygon], window: Window) -> np.ndarray:
    """uint8 of the window's shape, 1 on and inside the polygons."""
    canvas = np.zeros(window.shape, dtype=np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [polygon.astype(np.int32)], 1, offset=(-window.left, -window.top))
    return canvas


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
