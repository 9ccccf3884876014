"""The color of each class."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

#: Eight colors that most color-blind people can tell apart: Okabe and Ito, 2008. Black is first,
#: for the background.
_SAFE = (
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
#: Levels of a channel among which further colors are looked for, and the least difference of a
#: color's largest and smallest channel: grays stand for other things.
_LEVELS = (0, 51, 102, 153, 204, 255)
_LEAST_CHROMA = 60

#: Ignored pixels: stripes of these two.
IGNORED = ((196, 196, 196), (244, 244, 244))


def class_colours(palette: Sequence[Sequence[int]] | None, num_classes: int) -> np.ndarray:
    """(num_classes, 3) uint8 RGB: the data set's palette as far as it goes, then safe colors.

    The first eight of these are safe for the color-blind; each further one is as far as possible
    (CIE Lab) from all before. More than a few dozen cannot be told apart by eye; names and
    numbers stand beside the pictures.
    """
    given = np.array(palette if palette is not None else [], dtype=np.uint8).reshape(-1, 3)
    given = given[:num_classes]
    if len(given):
        colours = list(map(tuple, given.tolist()))
        return np.array(_extended(colours, num_classes), dtype=np.uint8)
    return np.array(_extended(list(_SAFE[:num_classes]), num_classes), dtype=np.uint8)


def _extended(colours: list[tuple[int, ...]], count: int) -> list[tuple[int, ...]]:
    if len(colours) >= count:
        return colours
    levels = np.array(np.meshgrid(_LEVELS, _LEVELS, _LEVELS, indexing="ij")).reshape(3, -1).T
    candidates = levels[np.ptp(levels, axis=1) >= _LEAST_CHROMA]
    candidates = np.concatenate([np.array(_SAFE[1:]), candidates]).astype(np.uint8)
    places = _lab(candidates)
    nearest = np.full(len(candidates), np.inf)
    for colour in colours:
        nearest = np.minimum(nearest, _distances(places, _lab(np.array([colour], np.uint8))))
    extended = list(colours)
    while len(extended) < count:
        best = int(np.argmax(nearest))
        if not nearest[best] > 0:  # all are used up: from the start again
            return [extended[i % len(extended)] for i in range(count)]
        extended.append(tuple(candidates[best].tolist()))
        nearest = np.minimum(nearest, _distances(places, places[best : best + 1]))
    return extended


def _lab(colours: np.ndarray) -> np.ndarray:
    scaled = (colours[None].astype(np.float32)) / 255
    return cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0]


def _distances(places: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places - place, axis=1)
