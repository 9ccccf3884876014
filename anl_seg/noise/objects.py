"""The objects of a mask: connected regions of one class."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from .runs import Runs, find_runs, regions_of_runs
from .window import Window


class MaskObject(NamedTuple):
    """One 8-connected region of one class, or a whole class.

    Attributes:
        number: its number in :attr:`MaskObjects.components`, from 1 on.
        label: its class.
        area: its pixels.
        window: its bounding box.
    """

    number: int
    label: int
    area: int
    window: Window


class MaskObjects:
    """All objects of a mask.

    Args:
        mask: (H, W) integer labels.
        valid: (H, W) bool, False where the pixel has no class.
        background: the class whose regions are no objects; None if every class has objects.
        per_object: whether each region is an object of its own; False makes all pixels of a class
            one object.

    Attributes:
        components: (H, W) int32, the index of each pixel's object; 0 where there is none.
        labels, areas: (N,) the class and the pixels of each object; objects are sorted by class and
            then by first pixel in reading order.
        objects: list of :class:`MaskObject` in the same order, so that their indices are 1 to N.
    """

    def __init__(
        self,
        mask: np.ndarray,
        valid: np.ndarray,
        *,
        background: int | None,
        per_object: bool = True,
    ) -> None:
        runs = find_runs(mask)
        wanted = np.take(valid, runs.start)
        if background is not None:
            wanted &= runs.label != background
        width = mask.shape[1]
        region = regions_of_runs(runs, wanted, width) if per_object else runs.label
        number = _numbers(region, runs.label, wanted)
        self.components = np.repeat(number, runs.stop - runs.start).reshape(mask.shape)
        wanted = np.flatnonzero(wanted)
        self._measure(Runs(*(values[wanted] for values in runs)), number[wanted], width)

    def _measure(self, runs: Runs, number: np.ndarray, width: int) -> None:
        """Labels, areas and bounding boxes of the objects, from the runs of each."""
        count = int(number.max(initial=0))
        position = number - 1
        # Of assignments to one place the last one stays.
        first, last = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        backwards = np.arange(len(position))[::-1]
        first[position[backwards]] = backwards
        last[position] = backwards[::-1]
        self.labels = runs.label[first].astype(np.int64)
        self.areas = np.zeros(count, dtype=np.int64)
        np.add.at(self.areas, position, runs.stop - runs.start)
        left, right = np.full(count, width), np.zeros(count, dtype=np.int64)
        row, column = np.divmod(runs.start, max(width, 1))
        np.minimum.at(left, position, column)
        np.maximum.at(right, position, column + runs.stop - runs.start)
        #: (N, 4) top, bottom, left and right of each object's bounding box, as in :class:`Window`.
        self.boxes = np.stack([row[first], row[last] + 1, left, right], axis=1)

    @functools.cached_property
    def objects(self) -> list[MaskObject]:
        columns = self.labels.tolist(), self.areas.tolist(), self.boxes.tolist()
        return [
            MaskObject(index, label, area, Window(*box))
            for index, (label, area, box) in enumerate(zip(*columns), start=1)
        ]

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self):
        return iter(self.objects)

    def __getitem__(self, position: int) -> MaskObject:
        return self.objects[position]

    def own(self, obj: MaskObject, window: Window) -> np.ndarray:
        """Bool of the window's shape, True at the object's pixels."""
        return self.components[window.slices] == obj.number

    def center(self, obj: MaskObject) -> tuple[float, float]:
        """The object's centroid (x, y) in pixels of the image."""
        rows, columns = np.nonzero(self.own(obj, obj.window))
        x = int(columns.sum()) + obj.window.left * obj.area
        y = int(rows.sum()) + obj.window.top * obj.area
        return x / obj.area, y / obj.area


def _numbers(region: np.ndarray, label: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The number of each run's object from 1 on, by class and then by first run; 0 if not wanted.

    Args:
        region: (N,) what the runs of an object share, and those of no other.
        label: (N,) their classes.
        wanted: (N,) bool.
    """
    number = np.zeros(len(region), dtype=np.int32)
    runs = np.flatnonzero(wanted)
    regions, first, inverse = np.unique(region[runs], return_index=True, return_inverse=True)
    rank = np.empty(len(regions), dtype=np.int32)
    rank[np.lexsort((first, label[runs[first]]))] = np.arange(1, len(regions) + 1)
    number[runs] = rank[inverse]
    return number
