"""Which label a loader makes of each value in a mask file, and which value to write for a label."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from anl_seg.corruption.part import Part
from anl_seg.corruption.png import MaskPng, encode_mask_png, read_mask_png

#: Stands for a value that the loader refuses.
REFUSED = np.iinfo(np.int64).min


class RawLabels:
    """A table from the values of a file to labels.

    Args:
        table: (256,) or (65536,) int64; ``table[value]`` is the label, or ``REFUSED``.
    """

    def __init__(self, table: np.ndarray) -> None:
        self.table = np.asarray(table, np.int64)
        used = np.flatnonzero(self.table != REFUSED)
        # Where several values have one label, the smallest is written.
        labels, first = np.unique(self.table[used], return_index=True)
        self._value = dict(zip(labels.tolist(), used[first].tolist()))

    @classmethod
    def identity(cls) -> RawLabels:
        """The value is the label."""
        return cls(np.arange(1 << 16))

    @classmethod
    def from_runs(cls, runs: Iterable[Sequence[int]]) -> RawLabels:
        """The table of :meth:`runs`.

        Raises:
            ValueError: runs that no table has.
        """
        if not isinstance(runs, (list, tuple)):
            raise ValueError(f"labels must be a list of runs, got {runs!r}.")
        table, end = np.full(1 << 16, REFUSED), -1
        for run in runs:
            # Rising, as they are written: so there are no more of them than values.
            if not _is_run(run) or run[0] <= end:
                raise ValueError(
                    f"a run of labels is [first value, last value, label of the first], got {run!r}; "
                    "values rise from run to run."
                )
            first, last, label = run
            end = last
            table[first : last + 1] = np.arange(label, label + last - first + 1)
        return cls(table)

    def runs(self) -> list[list[int]]:
        """The table in short: [first value, last value, label of the first], labels rising by one."""
        values = np.flatnonzero(self.table != REFUSED)
        labels = self.table[values]
        starts = (np.diff(values, prepend=-2) != 1) | (np.diff(labels, prepend=labels[:1]) != 1)
        at = np.flatnonzero(starts)
        ends = np.append(at[1:], len(values)) - 1
        rows = np.stack([values[at], values[ends], labels[at]], axis=1)
        return rows.tolist()

    def labels(self, values: np.ndarray) -> np.ndarray:
        """(H, W) int64 labels of a file's values; ``REFUSED`` where the loader would stop."""
        if int(values.max(initial=0)) >= len(self.table):
            wide = np.full(1 << 16, REFUSED)
            wide[: len(self.table)] = self.table
            return wide[values]
        return self.table[values]

    def values_for(self, num_classes: int) -> np.ndarray:
        """(num_classes,) int64: the value to write for each class.

        Raises:
            ValueError: no value of the file is read as one of the classes.
        """
        missing = [label for label in range(num_classes) if label not in self._value]
        if missing:
            raise ValueError(
                f"no value in a mask file is loaded as class {missing[0]} ({len(missing)} of "
                f"{num_classes} classes are out of reach): is num_classes={num_classes} right?"
            )
        return np.array([self._value[label] for label in range(num_classes)])


def _is_run(run: object) -> bool:
    if not isinstance(run, (list, tuple)) or [type(item) for item in run] != [int] * 3:
        return False
    return 0 <= run[0] <= run[1] < 1 << 16 and abs(run[2]) < 1 << 31


def find_raw_labels(part: Part, index: int) -> RawLabels | None:
    """Ask the annotation loader of a data set what it makes of every value of a file.

    It is given small files of the kind of the sample's own. None if the sample has no label file of its
    own, or one whose labels do not follow from the values of its pixels one by one (several files, a
    colour picture, another format).
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

    def __init__(self, part: Part, index: int, own: MaskPng) -> None:
        self._part, self._index, self._own = part, index, own
        self._side = 256 if own.values.dtype == np.uint16 else 16

    def table(self) -> np.ndarray | None:
        """(256,) or (65536,) int64 labels; None if they do not depend on the values alone."""
        values = np.arange(self._side**2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "values.png"
            labels = self._ask(path, values)
            # A loader that reads other files answers the same whatever it is given.
            mirrored = None if labels is None else self._ask(path, values[::-1])
            if labels is not None:
                return labels if np.array_equal(labels[::-1], mirrored) else None
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
