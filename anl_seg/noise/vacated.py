"""Labels for what many objects have left: small windows side by side in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .fill import FIRST_MARGIN, labels_around, nearest_sources
from .objects import MaskObject, MaskObjects
from .runs import batches

#: An object and the pixels that it leaves, bool of the shape of its window.
Vacated = tuple[MaskObject, np.ndarray]

# What an object leaves is a tile if no side of its box is longer; larger ones gain nothing.
_MAX_SIDE = 24
# Pixels of one picture of tiles.
_PICTURE = 2**21
# In windows of so many pixels, an object's connected pieces are tiles of their own.
_LARGE = 2**18


class _Tiles(NamedTuple):
    """Windows around what objects leave, which may reach beyond the image.

    Attributes:
        number: (N,) the number of the object of each.
        top, left, height, width: (N,) where they lie.
    """

    number: np.ndarray
    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray


def fill_vacated(
    noisy: np.ndarray,
    mask: np.ndarray,
    valid: np.ndarray,
    objects: MaskObjects,
    vacated: Sequence[Vacated],
) -> None:
    """Give each pixel that an object leaves the label of the nearest valid pixel outside the object.

    The same labels as :func:`labels_around` gives object by object, in place in ``noisy``.

    Args:
        noisy: (H, W), changed at the pixels that are left.
        mask: (H, W) clean labels.
        valid: (H, W) bool, which pixels have a class.
        objects: the objects of ``mask``.
        vacated: objects, each once, and the pixels that they leave; at least one valid pixel must
            lie outside each of the objects that leave any.
    """
    todo = np.zeros(mask.shape, dtype=bool)
    for obj, pixels in vacated:
        todo[obj.window.slices] |= pixels
    tiles = _tiles(vacated)
    order = np.argsort(tiles.width, kind="stable")
    tiles = _Tiles(*(values[order] for values in tiles))
    for picture in batches(tiles.height * tiles.width, _PICTURE):
        _fill_tiles(noisy, mask, valid, objects, todo, _Tiles(*(v[picture] for v in tiles)))
    for obj, pixels in vacated:
        left = pixels & todo[obj.window.slices]
        if left.any():
            noisy[obj.window.slices][left] = labels_around(mask, valid, objects, obj, left)


def _tiles(vacated: Sequence[Vacated]) -> _Tiles:
    """The tiles of all objects or pieces of objects that are small."""
    numbers: list[int] = []
    boxes: list[tuple[int, ...]] = []
    for obj, pixels in vacated:
        if max(pixels.shape) <= _MAX_SIDE:
            found: list[tuple[int, ...]] = [(obj.window.left, obj.window.top, *pixels.shape[::-1])]
        else:
            found = _pieces(obj, pixels) if pixels.size >= _LARGE else []
        boxes += found
        numbers += [obj.number] * len(found)
    left, top, width, height = np.array(boxes, dtype=np.int64).reshape(-1, 4).T
    small = np.maximum(width, height) <= _MAX_SIDE
    tiles = _Tiles(
        np.array(numbers, dtype=np.int64),
        top - FIRST_MARGIN,
        left - FIRST_MARGIN,
        height + 2 * FIRST_MARGIN,
        width + 2 * FIRST_MARGIN,
    )
    return _Tiles(*(values[small] for values in tiles))


def _pieces(obj: MaskObject, pixels: np.ndarray) -> list[tuple[int, ...]]:
    """Left, top, width and height in the image of each connected part of the pixels."""
    top, bottom, left, right = MaskObjects(pixels.view(np.uint8), pixels, background=None).boxes.T
    boxes = [left + obj.window.left, top + obj.window.top, right - left, bottom - top]
    return np.stack(boxes, axis=1).tolist()


def _fill_tiles(
    noisy: np.ndarray,
    mask: np.ndarray,
    valid: np.ndarray,
    objects: MaskObjects,
    todo: np.ndarray,
    tiles: _Tiles,
) -> None:
    """Label the pixels whose nearest source is certain to lie in the tile; take them off ``todo``.

    Tiles lie one below the other without a gap: what lies off a tile is farther away than its edge,
    in the picture as in the image. So a pixel that finds a source nearer than the edge of its tile
    finds the right one.
    """
    height, width = mask.shape
    tile = np.repeat(np.arange(len(tiles.number)), tiles.height)
    down = np.arange(len(tile)) - np.repeat(np.cumsum(tiles.height) - tiles.height, tiles.height)
    across = np.arange(tiles.width.max())
    rows, columns = tiles.top[tile] + down, tiles.left[tile][:, None] + across
    inside = across < tiles.width[tile][:, None]
    inside &= ((rows >= 0) & (rows < height))[:, None] & (columns >= 0) & (columns < width)
    place = np.clip(rows, 0, height - 1)[:, None] * width + np.clip(columns, 0, width - 1)
    own = np.take(objects.components, place) == tiles.number[tile][:, None]
    source = inside & ~own & np.take(valid, place)
    wanted = np.flatnonzero(inside & own & np.take(todo, place))
    if not source.any() or not len(wanted):
        return
    row, column = np.divmod(wanted, len(across))
    own_tile, down = tile[row], down[row]
    exit_distance = np.minimum(down + 1, tiles.height[own_tile] - down)
    exit_distance = np.minimum(exit_distance, column + 1)
    exit_distance = np.minimum(exit_distance, tiles.width[own_tile] - column)
    positions, nearest, distance = nearest_sources(source)
    certain = np.take(distance, wanted) < exit_distance
    wanted = wanted[certain]
    found = np.take(place, positions[np.take(nearest, wanted)])
    wanted = np.take(place, wanted)
    np.put(noisy, wanted, np.take(mask, found))
    todo.reshape(-1)[wanted] = False
