"""The same bytes for ever: a study made with an earlier version, or another NumPy, can be repeated.

If a hash changes, so does the noise of every study that used the model: say so in CHANGELOG.md.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from anl_seg.noise import NOISES, PRESETS, build_noise, sample_rng
from tests.noise.pinned_hashes import PINNED

CLASSES = 4
#: AffineNoise, and what contains it, leaves the rounding of turned pixels to OpenCV; the hashes of
#: those are from this version.
ROUNDED_BY_OPENCV = ("AffineNoise", "AlphaBetaNoise", "alpha_beta")
OPENCV = "5."


def scene():
    """Image and mask (61, 83) of integers alone: blobs of three classes, a hole, ignored pixels."""
    y, x = np.indices((61, 83))
    mask = np.zeros((61, 83), dtype=np.uint8)
    mask[(y - 20) ** 2 + (x - 25) ** 2 < 290] = 1
    mask[(y - 20) ** 2 + (x - 25) ** 2 < 30] = 0
    mask[30:55, 38:60] = 2
    mask[(y - 40) ** 2 + 3 * (x - 66) ** 2 < 400] = 3
    mask[5:9, 60:80] = 3
    mask[48:50] = 255
    shade = (y * 7 + x * 3 + (y * x) % 41) % 256
    image = np.stack([shade, (shade * 2 + 60 * mask) % 256, 255 - shade], axis=-1)
    return image.astype(np.uint8), mask


def pinned_hash(cfg):
    """Hexadecimal SHA-256 over three noisy masks."""
    image, mask = scene()
    noise = build_noise(cfg)
    digest = hashlib.sha256()
    for number in range(3):
        stream = sample_rng(7, f"train/{number}.png", noise.digest())
        digest.update(noise(mask, stream, num_classes=CLASSES, image=image).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("position", range(len(PINNED)), ids=lambda i: PINNED[i][0]["type"])
def test_pinned(position):
    cfg, expected = PINNED[position]
    if cfg["type"] in ROUNDED_BY_OPENCV and not cv2.__version__.startswith(OPENCV):
        pytest.skip(f"rounded by OpenCV; pinned with {OPENCV}x, this is {cv2.__version__}")
    assert pinned_hash(cfg) == expected


def test_every_model_and_preset_is_pinned():
    assert {cfg["type"] for cfg, _ in PINNED} == set(NOISES) | set(PRESETS)
