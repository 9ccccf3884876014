"""Procedural scenes for :class:`SyntheticShapesDataset`: numpy and OpenCV only.

A sample is a pure function of (seed, split, index, size). Random numbers come from numpy's frozen
``RandomState`` methods over PCG64, seeded by blake2b, and the mask is made by integer arithmetic alone,
so it is the same on every machine. The image uses float32 and may differ there in its last bit.

Lengths are integers in 1/64 pixel; directions are integer vectors of length 1024. A pixel therefore
has object coordinates (u, v) in units of 1 / 65536 pixel.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from anl_seg._checks import check_integer
from anl_seg._suggest import unknown_name

SPLITS = ("train", "val", "test")
SMALLEST, LARGEST = 16, 4096  # allowed side in pixels; far below where int64 squares overflow

_SUB = 64  # length units per pixel
_DIRECTIONS = 256
_UNIT = 1024  # length of a direction vector
_TURN = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
# No entry is near a tie of the rounding, so the table does not depend on the platform's libm.
_COS = np.rint(_UNIT * np.cos(_TURN)).astype(np.int64)
_SIN = np.rint(_UNIT * np.sin(_TURN)).astype(np.int64)
_PIXEL = _SUB * _UNIT  # object-coordinate units per pixel


# --- outlines: object coordinates (u, v) int64 and extents (a, b) in the same units -> bool ---


def _block(u: np.ndarray, v: np.ndarray, a: int, b: int) -> np.ndarray:
    return (abs(u) <= a) & (abs(v) <= b)


def _disc(u: np.ndarray, v: np.ndarray, a: int, b: int) -> np.ndarray:
    return u * u + v * v <= a * a


def _triangle(u: np.ndarray, v: np.ndarray, a: int, b: int) -> np.ndarray:
    # Equilateral, circumradius a: three half-planes at distance a / 2; 887 / 1024 ~ sqrt(3) / 2.
    along, across = u * 512, v * 887
    half = a * 512
    return (u * 1024 >= -half) & (along + across <= half) & (along - across <= half)


def _ring(u: np.ndarray, v: np.ndarray, a: int, b: int) -> np.ndarray:
    squared = u * u + v * v
    return (squared <= a * a) & (squared >= b * b)


def _cross(u: np.ndarray, v: np.ndarray, a: int, b: int) -> np.ndarray:
    u, v = abs(u), abs(v)
    return (np.maximum(u, v) <= a) & (np.minimum(u, v) <= b)


# --- textures: object coordinates in pixels (float32) and the extent a -> values in [-1, 1] ---


def _triangle_wave(x: np.ndarray) -> np.ndarray:
    """Period 1, range [-1, 1]; a sine without libm."""
    return 4 * abs(x - np.floor(x + np.float32(0.5))) - 1


def _stripes(u: np.ndarray, v: np.ndarray, a: float) -> np.ndarray:
    return _triangle_wave(u / np.float32(5))


def _dome(u: np.ndarray, v: np.ndarray, a: float) -> np.ndarray:
    return 1 - 2 * (u * u + v * v) / np.float32(a * a)


def _checks(u: np.ndarray, v: np.ndarray, a: float) -> np.ndarray:
    return _triangle_wave(u / np.float32(6)) * _triangle_wave(v / np.float32(6))


class _Kind(NamedTuple):
    """How one class is drawn. Extents are in 1/1000 of the scene's side."""

    name: str
    counts: tuple[int, ...]  # one is drawn uniformly
    a: tuple[int, int]  # range of the first extent
    b: tuple[int, int]  # range of the second, in 1/1000 of the first
    outline: Callable[..., np.ndarray]
    texture: Callable[..., np.ndarray] | None
    tint: tuple[int, int, int]  # BGR, mean difference from the background


_KINDS = (
    _Kind("block", (1, 2, 2), (190, 290), (600, 850), _block, _stripes, (60, 0, -40)),
    _Kind("disc", (1, 1, 2), (130, 200), (1000, 1000), _disc, _dome, (-40, -25, 60)),
    _Kind("triangle", (1, 1, 2), (145, 225), (1000, 1000), _triangle, _checks, (-45, 45, -45)),
    _Kind("ring", (0, 1, 2, 2), (100, 150), (480, 600), _ring, None, (50, -45, 50)),
    _Kind("cross", (0, 1, 1, 2), (90, 130), (270, 340), _cross, None, (-55, 50, 50)),
)

CLASSES = ("background", *(kind.name for kind in _KINDS))


def check_request(seed: object, split: object, index: object, size: object) -> tuple[int, int]:
    """Check what identifies a sample and return ``size`` as a tuple (H, W) of ints.

    Raises:
        ValueError: naming the value and what is allowed.
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split of the synthetic shapes", split, SPLITS))
    check_integer("seed", seed, low=0)
    check_integer("index", index, low=0)
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or not all(isinstance(n, (int, np.integer)) and SMALLEST <= n <= LARGEST for n in size)
    ):
        raise ValueError(
            f"size must be (height, width), two integers in [{SMALLEST}, {LARGEST}], got {size!r}."
        )
    return int(size[0]), int(size[1])


class Draws:
    """The random numbers of one sample of one generator of scenes, by its ``name``."""

    def __init__(self, name: str, seed: int, split: str, index: int) -> None:
        text = f"anl_seg.{name}|{int(seed)}|{split}|{int(index)}".encode()
        digest = hashlib.blake2b(text, digest_size=16).digest()
        bits = np.random.PCG64(int.from_bytes(digest, "big"))
        self._state = np.random.RandomState(bits)

    def integer(self, low: int, high: int) -> int:
        """Uniform over [low, high]."""
        return int(self.integers(low, high, None))

    def integers(self, low: int, high: int, shape: int | tuple[int, ...] | None) -> np.ndarray:
        """Uniform over [low, high], int64 of the given shape."""
        # The default dtype is the platform's C long, and its width changes the stream.
        return self._state.randint(low, high + 1, shape, dtype=np.int64)

    def one_of(self, values: Sequence) -> Any:
        """One of the values, each as likely."""
        return values[self.integer(0, len(values) - 1)]

    def bytes(self, shape: tuple[int, ...]) -> np.ndarray:
        """Uniform over [0, 255], uint8 of the given shape."""
        return np.frombuffer(self._state.bytes(math.prod(shape)), np.uint8).reshape(shape)


def draw_sample(
    seed: int, split: str, index: int, size: tuple[int, int] = (64, 64)
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene.

    Args:
        seed: integer >= 0.
        split: ``"train"``, ``"val"`` or ``"test"``; their random streams are disjoint.
        index: integer >= 0, the sample's number in its split.
        size: (H, W), integers in [16, 4096]. Objects scale with sqrt(H * W); texture and noise keep
            their scale in pixels.

    Returns:
        image, uint8 (H, W, 3), BGR, and mask, uint8 (H, W), values are indices into ``CLASSES``.

    Raises:
        ValueError: if one of the arguments is not allowed.
    """
    height, width = check_request(seed, split, index, size)
    draws = Draws("synthetic_shapes", seed, split, index)
    mask = np.zeros((height, width), np.uint8)
    image, base = _background(draws, height, width)

    objects = [
        (label, kind)
        for label, kind in enumerate(_KINDS, start=1)
        for _ in range(draws.one_of(kind.counts))
    ]
    # Larger kinds tend to lie below smaller ones, but neighbors in the list also swap.
    depth = np.array([label for label, _ in objects]) + draws.integers(0, 2, len(objects))
    for i in np.argsort(depth, kind="stable"):
        label, kind = objects[i]
        _draw_object(draws, image, mask, base, label, kind)

    return _photograph(draws, image), mask


def _background(draws: Draws, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A cloudy surface with strokes that resemble parts of objects but belong to none.

    Returns:
        image, float32 (H, W, 3), and its mean color before the clouds, float32 (3,).
    """
    base = (draws.integer(80, 175) + draws.integers(-12, 12, 3)).astype(np.float32)
    coarse = draws.integers(-22, 22, (6, 6)).astype(np.float32)
    fine = draws.integers(-14, 14, (height // 4, width // 4)).astype(np.float32)
    clouds: np.ndarray = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    clouds += cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    image = base + clouds[..., None]
    side = math.isqrt(height * width)
    for _ in range(draws.integer(1, 3)):
        x, y = draws.integer(0, width - 1), draws.integer(0, height - 1)
        cos, sin = _direction(draws)
        reach = side * draws.integer(60, 200) // 1000
        thickness = max(1, side * draws.integer(15, 50) // 1000)
        colour = _paint(draws, base, draws.one_of(_KINDS).tint).tolist()
        end = (x + reach * cos // _UNIT, y + reach * sin // _UNIT)
        cv2.line(image, (x, y), end, colour, thickness)
    return image, base


def _direction(draws: Draws) -> tuple[int, int]:
    """A direction (cos, sin), an integer vector of length 1024."""
    turn = draws.integer(0, _DIRECTIONS - 1)
    return int(_COS[turn]), int(_SIN[turn])


def _paint(draws: Draws, base: np.ndarray, tint: tuple[int, int, int]) -> np.ndarray:
    """A color that differs from the background's roughly by a tint; float32 (3,)."""
    shift = np.array(tint) + draws.integer(-30, 30) + draws.integers(-26, 26, 3)
    return base + shift.astype(np.float32)


def _draw_object(
    draws: Draws,
    image: np.ndarray,
    mask: np.ndarray,
    base: np.ndarray,
    label: int,
    kind: _Kind,
) -> None:
    """Draw one object into image (float32 H, W, 3) and mask (uint8 H, W), over what is there."""
    height, width = mask.shape
    side = math.isqrt(height * width)
    x, y = draws.integer(0, width * _SUB - 1), draws.integer(0, height * _SUB - 1)
    cos, sin = _direction(draws)
    a = side * _SUB * draws.integer(*kind.a) // 1000
    b = a * draws.integer(*kind.b) // 1000
    colour = _paint(draws, base, kind.tint)
    strength = draws.integer(18, 32)

    # Only the window that the object can reach; 3 / 2 > sqrt(2) covers a turned block or cross.
    reach = 3 * a // 2
    left, right = max(0, (x - reach) // _SUB), min(width, (x + reach) // _SUB + 1)
    top, bottom = max(0, (y - reach) // _SUB), min(height, (y + reach) // _SUB + 1)
    dx = np.arange(left, right, dtype=np.int64) * _SUB + (_SUB // 2 - x)
    dy = (np.arange(top, bottom, dtype=np.int64) * _SUB + (_SUB // 2 - y))[:, None]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx

    inside = kind.outline(u, v, a * _UNIT, b * _UNIT)
    mask[top:bottom, left:right][inside] = label
    values = colour
    if kind.texture is not None:
        u, v = (w[inside].astype(np.float32) / np.float32(_PIXEL) for w in (u, v))
        values = colour + (strength * kind.texture(u, v, a / _SUB))[:, None]
    image[top:bottom, left:right][inside] = values


def _photograph(draws: Draws, image: np.ndarray) -> np.ndarray:
    """Light, shadow, contrast, blur and sensor noise: float32 (H, W, 3) -> uint8 (H, W, 3)."""
    height, width = image.shape[:2]
    across = np.linspace(-1, 1, width, dtype=np.float32)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = 1 + draws.integer(-25, 25) / 100 * across + draws.integer(-25, 25) / 100 * down
    cos, sin = _direction(draws)
    shaded = cos * across + sin * down > _UNIT * draws.integer(-5, 9) / 10
    light[shaded] *= draws.integer(60, 100) / 100
    contrast = draws.integer(75, 120) / 100
    image = ((image - 128) * contrast + 128) * light[..., None]
    if draws.integer(0, 1):
        image = cv2.blur(image, (3, 3))
    # The sum of two uniform bytes: triangular, standard deviation 104 before it is scaled.
    grain = draws.bytes((2, *image.shape))
    grain = grain[0].astype(np.float32) + grain[1] - 255
    image = image + grain * (draws.integer(4, 12) / 104)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
