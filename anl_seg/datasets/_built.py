"""Looking into data sets that have been built."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.logging import print_log

from anl_seg.datasets.transforms import CachedTransforms
from anl_seg.datasets.transforms.corrupt_mask import identity_of
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
