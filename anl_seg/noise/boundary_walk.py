"""The steps of the Markov boundary process, pixel by pixel or on 64 pixels at a time."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .sample_rng import Rng
from .window import bounding_box

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# From so many pixels on, words of 64 are faster.
_MANY_PIXELS = 2**19
# Below, the area is cut to what the next so many steps can reach.
_STRETCH = 32
_BITS = 64
# Of each byte, the places of its set bits, the lowest first; then those of the others.
_PLACE = np.argsort(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little") == 0,
    axis=1,
    kind="stable",
)


def walk(
    own: np.ndarray,
    valid: np.ndarray,
    grows: Sequence[bool],
    theta2: float,
    rng: Rng,
) -> tuple[np.ndarray, np.ndarray]:
    """Let an outline wander.

    Args:
        own: (H, W) bool, True at the pixels of the object.
        valid: (H, W) bool, which pixels may change sides.
        grows: of each step, whether it grows.
        theta2: probability of a ring pixel to change in a step.
        rng: draws one number per ring pixel and step, in reading order.

    Returns:
        (H, W) uint8, 1 at the pixels inside; and the same, at those that have ever been inside.
    """
    inside = own.astype(np.uint8)
    ever = inside.copy()
    done = 0
    while done < len(grows) and inside.any():
        steps, stretch = walk_by_pixels, grows[done : done + _STRETCH]
        room = bounding_box(inside).grown(sum(stretch) + 1, own.shape)
        if room.shape[0] * room.shape[1] >= _MANY_PIXELS:
            steps, stretch = walk_by_words, grows[done:]
            room = room.grown(len(stretch), own.shape)
        area = room.slices
        inside[area], reached = steps(inside[area] > 0, valid[area], stretch, theta2, rng)
        ever[area] |= reached
        done += len(stretch)
    return inside, ever


def walk_by_pixels(own, valid, grows, theta2, rng):
    """:func:`walk`, the plain form."""
    inside = own.astype(np.uint8, order="C")
    outside = (valid & ~own).astype(np.uint8, order="C")
    ever, ring = inside.copy(), np.empty_like(inside)
    # Flat views, made once: there are many steps of few microseconds.
    ring_pixels, ever_pixels = ring.view(bool).reshape(-1), ever.reshape(-1)
    growth = inside, outside, inside.reshape(-1), outside.reshape(-1)
    shrinkage = outside, inside, outside.reshape(-1), inside.reshape(-1)
    for growing in grows:
        taker, giver, taker_pixels, giver_pixels = growth if growing else shrinkage
        # Pixels of the side that gives, next to a pixel of the side that takes.
        cv2.dilate(taker, _CROSS, ring)
        ring &= giver
        moved = ring_pixels.nonzero()[0]
        moved = moved[rng.random(len(moved)) < theta2]
        taker_pixels[moved] = 1
        giver_pixels[moved] = 0
        if growing:
            ever_pixels[moved] = 1
    return inside, ever


def walk_by_words(own, valid, grows, theta2, rng):
    """:func:`walk` in large areas: ring pixels are counted, and only those that move are looked up."""
    inside, outside = _pack(own), _pack(valid & ~own)
    ever = inside.copy()
    ring, shifted = np.empty((2, *inside.shape), dtype=np.uint64)
    for growing in grows:
        taker, giver = (inside, outside) if growing else (outside, inside)
        _beside(taker, ring, shifted)
        ring &= giver
        words = np.flatnonzero(ring)
        bits = np.take(ring, words)
        sums = _bit_sums(bits)
        count = sums[:, -1]
        until = np.cumsum(count, dtype=np.int64)
        moved = np.flatnonzero(rng.random(int(until[-1:].sum())) < theta2)
        which = np.searchsorted(until, moved, side="right")
        bit = _nth_bit(bits[which], sums[which], moved - (until - count)[which])
        for side in (taker, giver):
            np.bitwise_xor.at(side.reshape(-1), words[which], bit)
        if growing:
            ever |= inside
    return _unpack(inside, own.shape), _unpack(ever, own.shape)


def _pack(pixels: np.ndarray) -> np.ndarray:
    """(H, words) uint64 from (H, W) bool: pixel 64 w + b of a row is bit b of its word w.

    The last bit of a row is never a pixel: shifting the bits of all rows at once mixes no two rows.
    """
    height, width = pixels.shape
    padded = np.zeros((height, (width // _BITS + 1) * _BITS), dtype=bool)
    padded[:, :width] = pixels
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _unpack(words: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """uint8 of the shape, from what :func:`_pack` returned."""
    packed = words.astype("<u8").view(np.uint8)
    return np.unpackbits(packed, axis=1, count=shape[1], bitorder="little")


def _beside(pixels: np.ndarray, beside: np.ndarray, shifted: np.ndarray) -> None:
    """Set in ``beside`` the bits to the left, right, above and below those of ``pixels``.

    Args:
        shifted: memory to work in.
    """
    flat, out, part = pixels.reshape(-1), beside.reshape(-1), shifted.reshape(-1)
    one, carry = np.uint64(1), np.uint64(_BITS - 1)
    np.left_shift(flat, one, out=out)
    out |= np.right_shift(flat, one, out=part)
    out[1:] |= np.right_shift(flat[:-1], carry, out=part[1:])
    out[:-1] |= np.left_shift(flat[1:], carry, out=part[1:])
    beside[1:] |= pixels[:-1]
    beside[:-1] |= pixels[1:]


def _bit_sums(words: np.ndarray) -> np.ndarray:
    """(N, 8) uint8: how many bits are set in the lowest byte of each word, in the lowest two, and so on."""
    pairs = words - ((words >> np.uint64(1)) & np.uint64(0x5555555555555555))
    low = np.uint64(0x3333333333333333)
    fours = (pairs & low) + ((pairs >> np.uint64(2)) & low)
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return _bytes(eights * np.uint64(0x0101010101010101))


def _bytes(words: np.ndarray) -> np.ndarray:
    """(N, 8) uint8 from (N,) uint64, the lowest byte first."""
    return words.astype("<u8").view(np.uint8).reshape(-1, 8)


def _nth_bit(words: np.ndarray, sums: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(N,) uint64 with the bit alone that has ``n`` set bits below it in each word.

    Args:
        sums: those of the words, see :func:`_bit_sums`.
    """
    rows = np.arange(len(words))
    byte = (sums > n[:, None]).argmax(axis=1)
    below = np.where(byte > 0, sums[rows, byte - 1], 0)
    bit = _PLACE[_bytes(words)[rows, byte], n - below]
    return np.uint64(1) << (8 * byte + bit).astype(np.uint64)
