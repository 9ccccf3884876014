"""Whether every sample has a key of its own: samples that share one share their noise."""

from __future__ import annotations

import os
from collections.abc import Iterable

from anl_seg.noise.sample_rng import sample_key


class SampleKeys:
    """Keys that have been seen, and whose they are.

    Args:
        parts: how many last parts of a path make a key that is not given.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self._path_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._path_of)

    def add(self, key: str | None, path: str | os.PathLike | None) -> str | None:
        """Take note of a sample; what is wrong with its key, or None.

        Args:
            key: what seeds its noise; None: unknown.
            path: its label file; one that is seen again is the same sample. None: unknown.
        """
        if key is None or path is None:
            return None
        path = os.fspath(path)
        other = self._path_of.setdefault(key, path)
        if other == path:
            return None
        return (
            f"two samples have the key {key!r}, so the same noise would hit both: '{other}' and '{path}'. "
            f"{key_remedy(key, (other, path), self.parts)}"
        )


def key_remedy(key: str, paths: tuple[str | None, str | None], parts: int) -> str:
    """What to do where two label files (None: unknown) have one key, of ``parts`` last parts of a path."""
    one, other = paths
    if not one or not other or sample_key(other, parts) != key:
        return "Each sample needs a 'sample_key' of its own."
    more = parts_that_differ((one, other), parts + 1)
    return (
        f"Take more of the path for the key: noise_key_parts = {more} at the top of the config, "
        f"CorruptMask(key_parts={more}), or --key-parts {more} with --masks."
    )


def check_keys(
    groups: Iterable[Iterable[tuple[str | None, str | os.PathLike | None]]], parts: int
) -> str | None:
    """Make sure that in each group every sample has a key of its own, and that most have in all groups.

    Two data sets may share names: that is said. Where fewer than half of all samples have a key of their
    own, as with a data set for each case, the noise is hardly random any more.

    Args:
        groups: data sets, each the (key, label file) of its samples.
        parts: how many last parts of a path make a key that is not given.

    Returns:
        What is to be said where samples of two groups have the same key; None if there are none.

    Raises:
        ValueError: two samples of one group have the same key, or most of all samples share theirs; two are
            named.
    """
    everywhere, shared, files = SampleKeys(parts), None, set()
    for group in groups:
        own = SampleKeys(parts)
        for key, path in group:
            if wrong := own.add(key, path):
                raise ValueError(wrong)
            if wrong := everywhere.add(key, path):
                shared = shared or f"of two of the data sets, {wrong}"
            if key is not None and path is not None:
                files.add(os.fspath(path))
    if shared and 2 * len(everywhere) < len(files):
        raise ValueError(f"number of keys for {len(files)} samples: {len(everywhere)}; {shared}")
    return shared


def parts_that_differ(paths: Iterable[str], least: int) -> int:
    """How many last parts tell the paths apart, at least ``least``."""
    paths = set(paths)
    longest = max(path.replace("\\", "/").count("/") + 1 for path in paths)
    for parts in range(least, longest):
        if len({sample_key(path, parts) for path in paths}) == len(paths):
            return parts
    return max(least, longest)
