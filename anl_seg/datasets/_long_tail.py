"""Procedural scenes of many classes with a long tail, for :class:`SyntheticLongTailDataset`.

A sample is a pure function of (seed, split, index, size), drawn as in :mod:`anl_seg.datasets._shapes`: the
mask by integer arithmetic alone, so it is the same on every machine.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from itertools import accumulate

import cv2
import numpy as np

from anl_seg.datasets._shapes import Draws, check_request

#: Colors, in BGR; textures. 14 and 3 have no common factor, so class k has color k mod 14 and texture
#: k mod 3, and every pair is one class.
_COLOURS = (
    ("red", (40, 40, 225)),
    ("teal", (120, 120, 20)),
    ("yellow", (40, 220, 230)),
    ("navy", (130, 40, 20)),
    ("magenta", (225, 45, 225)),
    ("green", (50, 200, 50)),
    ("maroon", (25, 25, 120)),
    ("cyan", (230, 220, 40)),
    ("orange", (20, 130, 240)),
    ("purple", (130, 25, 110)),
    ("blue", (235, 80, 50)),
    ("olive", (20, 120, 110)),
    ("pink", (190, 150, 245)),
    ("forest", (30, 90, 20)),
)
_TEXTURES = ("plain", "striped", "dotted")
OBJECTS = len(_COLOURS) * len(_TEXTURES)
CLASSES = (
    "background",
    *(f"{_TEXTURES[k % 3]} {_COLOURS[k % 14][0]}" for k in range(OBJECTS)),
)
PALETTE = [
    [90, 90, 90],
    *([min(255, c + 25 * (k % 3)) for c in reversed(_COLOURS[k % 14][1])] for k in range(OBJECTS)),
]
#: Objects per scene, and their half axes in 1/1000 of the scene's side.
PER_SCENE = 10
_EXTENT = (80, 150)

# Class k (from 1) is drawn in proportion to 1 / k, rounded to integers: the most frequent object class 42
# times as often as the rarest.
_CUMULATIVE = tuple(accumulate(1_000_000 // k for k in range(1, OBJECTS + 1)))
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd


def object_label(seed: int, split: str, number: int) -> int:
    """Label of the ``number``-th object of a split, in [1, 42].

    The numbers walk the unit interval in steps of the golden ratio from an offset of the split, and the
    interval is cut in proportion to the classes' frequencies. So any run of consecutive objects has every
    class close to as often as it should be: 600 objects hold each of the 42.
    """
    digest = hashlib.blake2b(f"long_tail|{int(seed)}|{split}".encode(), digest_size=8).digest()
    place = (int.from_bytes(digest, "big") + number * _GOLDEN) % 2**64
    return 1 + bisect_right(_CUMULATIVE, place * _CUMULATIVE[-1] >> 64)


def draw_sample(
    seed: int, split: str, index: int, size: tuple[int, int] = (48, 48)
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene of ten objects, ellipses and blocks, over a gray surface.

    Args:
        seed: integer >= 0.
        split: ``"train"``, ``"val"`` or ``"test"``; their random streams are disjoint.
        index: integer >= 0, the sample's number in its split.
        size: (H, W), integers in [16, 4096]. Objects scale with sqrt(H * W), textures do not.

    Returns:
        image, uint8 (H, W, 3), BGR, and mask, uint8 (H, W), values are indices into ``CLASSES``.

    Raises:
        ValueError: if one of the arguments is not allowed.
    """
    height, width = check_request(seed, split, index, size)
    draws = Draws("synthetic_long_tail", seed, split, index)
    side = math.isqrt(height * width)
    mask = np.zeros((height, width), np.uint8)
    coarse = draws.integers(70, 170, (5, 5)).astype(np.float32)
    clouds = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    image = np.repeat(clouds[..., None], 3, axis=2)
    x, y = np.arange(width, dtype=np.int64), np.arange(height, dtype=np.int64)[:, None]
    for i in range(PER_SCENE):
        label = object_label(seed, split, int(index) * PER_SCENE + i)
        # Twice the distance to the center, so that centers lie on half pixels too.
        dx = 2 * x - draws.integer(0, 2 * width - 2)
        dy = 2 * y - draws.integer(0, 2 * height - 2)
        a, b = (max(3, 2 * side * draws.integer(*_EXTENT) // 1000) for _ in range(2))
        if draws.integer(0, 1):
            inside = (abs(dx) <= a) & (abs(dy) <= b)
        else:
            inside = dx * dx * b * b + dy * dy * a * a <= a * a * b * b
        mask[inside] = label
        image[inside] = _colours(draws, label, x, y)[inside]
    light = draws.integer(85, 115) / 100
    # The sum of two uniform bytes: triangular, standard deviation 104 before it is scaled.
    grain = draws.bytes((2, height, width, 3)).astype(np.float32).sum(axis=0) - 255
    image = image * np.float32(light) + grain * np.float32(draws.integer(3, 9) / 104)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), mask


def _colours(draws: Draws, label: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Color of an object of this label at each pixel, float32 (H, W, 3)."""
    shift = draws.integers(-12, 12, 3)
    base = (np.array(_COLOURS[(label - 1) % 14][1]) + shift).astype(np.float32)
    phase = draws.integer(0, 3)
    texture = _TEXTURES[(label - 1) % 3]
    if texture == "plain":
        dark = np.zeros((y.size, x.size), bool)
    elif texture == "striped":
        dark = ((x + phase) % 4 < 2) & (y == y)
    else:
        dark = ((x + phase) % 3 == 0) & ((y + phase) % 3 == 0)
    # Toward gray, and so unlike the darker colors.
    return np.where(dark[..., None], 0.35 * base + 0.65 * np.float32(128), base)
