"""Ask a loader which label it makes of each value in a mask file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from anl_seg.corruption.mask_dataset import MaskDataset
from anl_seg.masks.png import MaskPng, encode_mask_png, read_mask_png
from anl_seg.masks.raw_labels import REFUSED, RawLabels


def find_raw_labels(part: MaskDataset, index: int) -> RawLabels | None:
    """Ask the annotation loader of a data set what it makes of every value of a file.

    It is given small files of the kind of the sample's own. None if the sample has no label file of its
    own, or one whose labels do not follow from the values of its pixels one by one (several files, a
    color picture, another format).
    """
    path = part.mask_path(index)
    if path is None:
        return None
    try:
        own = read_mask_png(path)
        labels = _Asker(part, index, own).table()
        clean = part.sample(index, with_image=False).mask
    except (OSError, ValueError):
        return None
    if labels is None:
        return None
    raw = RawLabels(labels)
    same = own.values.shape == clean.shape and np.array_equal(raw.labels(own.values), clean)
    return raw if same else None


class _Asker:
    """Gives a data set's annotation loader files that hold chosen values."""

    def __init__(self, part: MaskDataset, index: int, own: MaskPng) -> None:
        self._part, self._index, self._own = part, index, own
        self._side = 256 if own.values.dtype == np.uint16 else 16

    def table(self) -> np.ndarray | None:
        """(256,) or (65536,) int64 labels; None if they do not depend on the values alone."""
        values = np.arange(self._side**2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "values.png"
            labels = self._ask(path, values)
            if labels is not None:
                # A loader that reads other files answers the same whatever it is given.
                mirrored = self._ask(path, values[::-1])
                follows = mirrored is not None and np.array_equal(labels[::-1], mirrored)
                return labels if follows else None
            if self._side > 16:
                return None  # one by one would take minutes
            return self._one_by_one(path)

    def _one_by_one(self, path: Path) -> np.ndarray | None:
        """For loaders that stop at values they do not know, such as those of binary masks."""
        table = np.full(self._side**2, REFUSED)
        for value in range(len(table)):
            answer = self._ask(path, np.full(len(table), value))
            if answer is not None:
                if (answer != answer[0]).any():
                    return None
                table[value] = answer[0]
        return table if (table != REFUSED).any() else None

    def _ask(self, path: Path, values: np.ndarray) -> np.ndarray | None:
        """Labels of a file with these values; None if the loader refuses them."""
        square = values.reshape(self._side, self._side).astype(self._own.values.dtype)
        path.write_bytes(encode_mask_png(self._own._replace(values=square)))
        try:
            labels = self._part.labels_of_file(self._index, str(path))
        except Exception:  # each loader has its own way to refuse a value
            return None
        if labels.shape != square.shape or not np.issubdtype(labels.dtype, np.integer):
            return None
        return labels.ravel().astype(np.int64)
