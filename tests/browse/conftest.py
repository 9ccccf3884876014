"""A source of three small samples, and what the sheet and the page draw of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from anl_seg.browse.palette import class_colours
from anl_seg.browse.pictures import Painter

NAMES = ["sky & <air> [b]", "$a$ \\ cost", "道路"]


class Sample(NamedTuple):
    key: str
    mask: np.ndarray
    image: np.ndarray | None


class FakeSource:
    """Three samples of 3 classes: one plain, one partly ignored, one wholly ignored."""

    num_classes = 3
    ignore_index = 255
    class_names = NAMES
    palette = None

    def __len__(self):
        return 3

    def key(self, index):
        return f"folder<{index}>/mask_{index}.png"

    def sample(self, index, with_image=False):
        mask = np.zeros((20, 31), dtype=np.uint8)
        mask[4:14, 5:15] = 1
        mask[8:18, 20:28] = 2
        if index == 1:
            mask[:5] = 255
        if index == 2:
            mask[:] = 255
        image = np.random.RandomState(index).randint(0, 256, (20, 31, 3)).astype(np.uint8)
        return Sample(self.key(index), mask, image if with_image else None)


@pytest.fixture(scope="session")
def source():
    return FakeSource()


@pytest.fixture(scope="session")
def names():
    return NAMES


@pytest.fixture(scope="session")
def painter(source):
    return Painter(class_colours(source.palette, source.num_classes), source.ignore_index)
