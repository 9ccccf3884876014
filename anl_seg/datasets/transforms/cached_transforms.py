"""Running the deterministic start of a pipeline once per sample."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import Compose as EngineCompose
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement

from anl_seg._checks import check_number
from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CachedTransforms(Compose):
    """Run transforms once per sample and keep what they made of it in memory.

    For transforms that make the same of the same sample every time, as loading, corruption and
    resizing do, at the start of a data set's own pipeline. A sample is known by all that the data set
    says about it, so data sets that share this transform do not share samples. Each worker of a data
    loader keeps a copy of its own, for as long as it lives: with workers, ``persistent_workers=True``
    is needed. :func:`anl_seg.config.cache_samples` puts this transform into a config.

    Required keys: those of the transforms.

    Modified and added keys: those of the transforms.

    Args:
        transforms: configs of the transforms.
        max_gib: at most so many GiB of images and maps are kept in a process; what goes beyond is made
            anew each time, and said once.

    Raises:
        ValueError: ``max_gib`` is no number of 0 or more; a sample that is loaded already, so that it
            may have been drawn or mixed at random.
    """

    def __init__(self, transforms: Sequence[dict], max_gib: float = 4.0) -> None:
        super().__init__(EngineCompose(transforms).transforms)
        self.max_gib = check_number("max_gib", max_gib)
        #: By position and, as several data sets may share this, by content.
        self._samples: dict[int | None, dict[bytes, Any]] = {}
        self._left = int(self.max_gib * 2**30)

    def transform(self, results: dict) -> dict | None:
        """The sample, or None where a transform drops it."""
        loaded = [key for key in ("img", "gt_seg_map", "mix_results") if key in results]
        if loaded:
            raise ValueError(
                f"CachedTransforms got a sample that has {loaded[0]!r} already: it goes to the start of a "
                "data set's own pipeline, not behind other transforms or into a wrapper's."
            )
        key = blake2b(pickle.dumps(results), digest_size=16).digest()
        known = self._samples.setdefault(results.get("sample_idx"), {})
        if key in known:
            # What follows may change the sample in place.
            return copy.deepcopy(known[key])
        sample = super().transform(results)
        size = _bytes(sample)
        if size <= self._left:
            known[key] = copy.deepcopy(sample)
            self._left -= size
        elif self._left >= 0:
            self._left = -1  # told, and full: a smaller sample would only take another's place
            print_log(
                f"CachedTransforms: the {self.max_gib:g} GiB of this process are full; further samples are "
                "made anew each time.",
                logger="current",
                level=logging.WARNING,
            )
        return sample


def _bytes(value: Any) -> int:
    """Bytes of the arrays and tensors in a sample."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.nbytes
    if isinstance(value, BaseDataElement):
        value = dict(value.items())
    if isinstance(value, Mapping):
        value = list(value.values())
    return sum(map(_bytes, value)) if isinstance(value, (list, tuple)) else 0
