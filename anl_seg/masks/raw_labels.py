"""Which label a loader makes of each value in a mask file, and which value to write for a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

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
