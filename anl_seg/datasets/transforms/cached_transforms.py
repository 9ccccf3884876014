"""Running the deterministic start of a pipeline once per sample."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from mmcv.transforms import Compose
from mmengine.dataset import Compose as EngineCompose

from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CachedTransforms(Compose):
    """Run transforms once per sample and keep what they made of it in memory.

    For transforms that make the same of the same sample every time, as loading, corruption and
    resizing do. Each worker of a data loader keeps a copy of its own, for as long as it lives: with
    workers, ``persistent_workers=True`` is needed. :func:`anl_seg.config.cache_samples` puts this
    transform into a config.

    Required keys: ``sample_idx``, which mmengine's data sets set, and those of the transforms.

    Modified and added keys: those of the transforms.

    Args:
        transforms: configs of the transforms.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        super().__init__(EngineCompose(transforms).transforms)
        self._samples: dict[int, Any] = {}

    def transform(self, results: dict) -> dict | None:
        """The sample, or None where a transform drops it."""
        index = results["sample_idx"]
        if index not in self._samples:
            self._samples[index] = super().transform(results)
        # What follows may change the sample in place.
        return copy.deepcopy(self._samples[index])
