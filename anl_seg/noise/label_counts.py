"""What the labels of some masks hold, and whether anything can be learned from them."""

from __future__ import annotations

import numpy as np

#: So many masks of a data set are looked at.
LOOKED_AT = 50

_BINARY = (
    "If 0 and 255 in the files mean outside and inside, load them by "
    "dict(type='anl_seg.LoadAnnotationsByValue', values=(0, 255)) in the place of the annotation loader, or "
    "write them anew with the values 0 and 1."
)
_OTHER = "Look at the values in the files, at the data set's classes and at reduce_zero_label."


class LabelCounts:
    """Pixels of each class in the masks of one data set.

    Args:
        num_classes: C.
        ignore_index: label of the pixels that do not count.
    """

    def __init__(self, num_classes: int, ignore_index: int) -> None:
        self.ignore_index = ignore_index
        self.masks = 0
        self.ignored = 0
        self.others = 0
        self.classes = np.zeros(num_classes, np.int64)

    def add(self, mask: np.ndarray) -> None:
        """Count a mask: (H, W) integers. Others are left out: they are told of where they are used."""
        if mask.ndim != 2 or not np.issubdtype(mask.dtype, np.integer):
            return
        self.masks += 1
        ignored = mask == self.ignore_index
        self.ignored += int(ignored.sum())
        valid = mask[(mask >= 0) & (mask < len(self.classes)) & ~ignored].astype(np.int64)
        self.others += mask.size - int(ignored.sum()) - valid.size
        self.classes += np.bincount(valid, minlength=len(self.classes))

    def problem(self) -> str | None:
        """Why nothing can be learned from these masks, and what to do; None if something can.

        A single mask of one class is no sign, as there are images without an object; nor are labels out
        of range, which are told of where they are used.
        """
        seen = np.flatnonzero(self.classes).tolist()
        if self.others or len(seen) > 1 or (not self.ignored and (not seen or self.masks < 2)):
            return None
        held = [f"class {seen[0]}"] if seen else []
        if self.ignored:
            held.append(f"ignore_index={self.ignore_index}")
        masks = (
            "the mask looked at holds"
            if self.masks == 1
            else f"all {self.masks} masks looked at hold"
        )
        binary = self.ignored and self.ignore_index == 255 and seen in ([], [0])
        return (
            f"{masks} {' and '.join(held)} alone: nothing can be learned from them. "
            f"{_BINARY if binary else _OTHER}"
        )
