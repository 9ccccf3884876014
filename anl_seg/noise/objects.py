"""The objects of a mask: connected regions of one class."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage

from .window import Window


class MaskObject(NamedTuple):
    """One 8-connected region of one class, or a whole class.

    Attributes:
        index: its number in :attr:`MaskObjects.components`, from 1 on.
        label: its class.
        area: its pixels.
        window: its bounding box.
    """

    index: int
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
        objects: list of :class:`MaskObject`, sorted by class and then by first pixel in reading
            order, whatever order OpenCV's build numbers components in.
    """

    def __init__(
        self,
        mask: np.ndarray,
        valid: np.ndarray,
        *,
        background: int | None,
        per_object: bool = True,
    ) -> None:
        self._per_object = per_object
        self.components = np.zeros(mask.shape, dtype=np.int32)
        labels: list[int] = []
        counts = np.bincount(mask[valid].astype(np.int64))
        for label in np.flatnonzero(counts).tolist():
            if label != background:
                labels += [label] * self._add_class(mask, label, first=len(labels))
        self.objects = self._measure(labels)

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self):
        return iter(self.objects)

    def __getitem__(self, position: int) -> MaskObject:
        return self.objects[position]

    def own(self, obj: MaskObject, window: Window) -> np.ndarray:
        """Bool of the window's shape, True at the object's pixels."""
        return self.components[window.slices] == obj.index

    def center(self, obj: MaskObject) -> tuple[float, float]:
        """The object's centroid (x, y) in pixels of the image."""
        rows, columns = np.nonzero(self.own(obj, obj.window))
        x = int(columns.sum()) + obj.window.left * obj.area
        y = int(rows.sum()) + obj.window.top * obj.area
        return x / obj.area, y / obj.area

    def _add_class(self, mask: np.ndarray, label: int, first: int) -> int:
        """Number the regions of one class from ``first`` + 1 on; return how many there are."""
        pixels = (mask == label).view(np.uint8)
        left, top, width, height = cv2.boundingRect(pixels)
        box = Window(top, top + height, left, left + width)
        pixels = np.ascontiguousarray(pixels[box.slices])
        if not self._per_object:
            self.components[box.slices][pixels.view(bool)] = first + 1
            return 1
        count, numbers = cv2.connectedComponents(pixels, connectivity=8)
        np.add(numbers, first, out=self.components[box.slices], where=pixels.view(bool))
        return count - 1

    def _measure(self, labels: list[int]) -> list[MaskObject]:
        """The objects, whose classes are ``labels`` in the order of their numbers, sorted.

        One pass over all objects: OpenCV's statistics per class take five times as long.
        """
        area = np.bincount(self.components.reshape(-1), minlength=len(labels) + 1)
        # scipy takes the maximum of the array, which one without pixels does not have.
        boxes = ndimage.find_objects(self.components, len(labels)) if labels else []
        found = []
        for number, (label, box) in enumerate(zip(labels, boxes), start=1):
            top, left = box[0].start, box[1].start
            window = Window(top, box[0].stop, left, box[1].stop)
            first = left + int(np.argmax(self.components[top, box[1]] == number))
            obj = MaskObject(number, label, int(area[number]), window)
            found.append(((label, top, first), obj))
        found.sort(key=lambda item: item[0])
        return [obj for _, obj in found]
