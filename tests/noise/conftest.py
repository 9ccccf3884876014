"""Masks that several tests of the noise share."""

from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import sample_rng


@pytest.fixture(scope="session")
def make_rng():
    """A fresh generator for a number."""
    return lambda number=0: sample_rng(number, "folder/mask.png", "test")


@pytest.fixture(scope="session")
def stripes():
    """(512, 512) uint8 of 5 classes in unequal shares, a fifth of it ignored."""
    rows = np.searchsorted([0.4, 0.65, 0.8, 0.92], np.linspace(0, 1, 512), side="right")
    mask = np.repeat(rows.astype(np.uint8)[:, None], 512, axis=1)
    mask[:, ::5] = 255
    return mask


@pytest.fixture(scope="session")
def disc():
    """(160, 160) uint8, class 2 in a disc of radius 40 in the middle of class 0."""
    y, x = np.indices((160, 160))
    return np.where((y - 80) ** 2 + (x - 80) ** 2 <= 40**2, 2, 0).astype(np.uint8)
