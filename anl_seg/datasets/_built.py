"""Looking into data sets that have been built."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.logging import print_log

from anl_seg._spaced import evenly_spaced
from anl_seg._suggest import WRONG_INPUT
from anl_seg.datasets.transforms import CachedTransforms
from anl_seg.datasets.transforms.corrupt_mask import identity_of
from anl_seg.noise.label_counts import LOOKED_AT, LabelCounts
from anl_seg.noise.sample_keys import SampleKeys, check_keys


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside concatenating, repeating, balancing and mixing wrappers."""
    if hasattr(dataset, "datasets"):
        for inner in dataset.datasets:
            yield from leaves(inner)
    elif hasattr(dataset, "dataset"):
        yield from leaves(dataset.dataset)
    else:
        yield dataset


def flat(dataset: Any) -> Iterator[Any]:
    """The transforms of a data set's own pipeline, those inside ``CachedTransforms`` too."""
    for transform in getattr(getattr(dataset, "pipeline", None), "transforms", ()):
        if isinstance(transform, CachedTransforms):
            yield from transform.transforms
        else:
            yield transform


def until_corruption(dataset: Any) -> tuple[list[Any], Any] | None:
    """The transforms before the first corrupting one, and that one; None if there is none."""
    before: list[Any] = []
    for transform in flat(dataset):
        if getattr(transform, "records_noise_statistics", False):
            return before, transform
        before.append(transform)
    return None


def run(transforms: Iterable[Any], results: dict | None) -> dict | None:
    """A sample after some transforms; None where one of them filters it out."""
    for transform in transforms:
        if results is None:
            break
        results = transform(results)
    return results


def warn_of_labels(leaf: Any, num_classes: int | None, ignore_index: int) -> None:
    """Say it where nothing can be learned from the masks of a data set, as some of them show.

    Args:
        leaf: a data set without wrappers.
        num_classes: C; None = the classes that the data set names.
        ignore_index: label of the pixels that do not count.
    """
    if num_classes is None:
        num_classes = len((getattr(leaf, "metainfo", None) or {}).get("classes") or ())
    counts = LabelCounts(num_classes, ignore_index)
    for index in evenly_spaced(len(leaf), LOOKED_AT):
        mask = _labels(leaf, index)
        if mask is not None:
            counts.add(mask)
    say_problem(counts, leaf)


def say_problem(counts: LabelCounts, leaf: Any) -> None:
    """Log what is wrong with the labels of a data set, if anything is."""
    if problem := counts.problem():
        place = getattr(leaf, "data_root", None)
        name = type(leaf).__name__ + (f" in {place}" if place else "")
        print_log(f"{name}: {problem}", logger="current", level=logging.WARNING)


def _labels(leaf: Any, index: int) -> np.ndarray | None:
    """The label map of a sample as its loader gives it; None where there is none, or it cannot be loaded."""
    steps = list(flat(leaf))
    loads = [_loads_labels(step) for step in steps]
    if not any(loads):
        return None
    first = loads.index(True)
    # Images need not be decoded, unless what comes before the masks works on them.
    if all(type(step) is LoadImageFromFile for step in steps[:first]):
        steps = steps[first:]
        first = 0
    try:
        results = run(steps[: first + 1], leaf.get_data_info(index))
    except (OSError, *WRONG_INPUT):
        return None  # training tells
    return None if results is None else results.get("gt_seg_map")


def _loads_labels(step: Any) -> bool:
    return isinstance(step, LoadAnnotations) or getattr(step, "loads_seg_map", False)


def check_sample_keys(dataset: Any) -> None:
    """Make sure that every sample that is corrupted has a key of its own, before any is loaded.

    Two data sets may use one key; that is said.

    Raises:
        ValueError: two samples of one data set have the same key; both are named.
    """
    groups: dict[tuple, list] = {}
    for leaf in leaves(dataset):
        found = until_corruption(leaf)
        if found is not None and hasattr(found[1], "key_parts"):
            before, corruption = found
            noise = (corruption.seed, corruption.noise.digest(), corruption.key_parts)
            groups.setdefault(noise, []).append(_identities(leaf, before, corruption.key_parts))
    for (*_, parts), group in groups.items():
        if shared := check_keys(group, parts):
            print_log(shared, logger="current", level=logging.WARNING)


def _identities(leaf: Any, before: list[Any], parts: int) -> list[tuple]:
    """(key, label file) of each sample; of a shared key, as the transforms before the noise give it."""
    found = [identity_of(leaf.get_data_info(i), parts) for i in range(len(leaf))]
    keys = SampleKeys(parts)
    for i, identity in enumerate(found):
        if keys.add(*identity):
            found[i] = identity_of(run(before, leaf.get_data_info(i)) or {}, parts)
    return found
