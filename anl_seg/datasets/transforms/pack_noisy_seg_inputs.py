"""Packing that carries the clean mask beside the noisy one."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs

from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackNoisySegInputs(PackSegInputs):
    """mmseg's ``PackSegInputs``, plus ``gt_seg_map_clean`` (H, W) as the field ``gt_sem_seg_clean``.

    The field is a ``PixelData`` with int64 data (1, H, W), as ``gt_sem_seg`` is. Arguments are those of
    ``PackSegInputs``. Use it with ``anl_seg.NoisySegDataPreProcessor``.

    Raises:
        KeyError: no clean map in the sample (``CorruptMask(keep_clean=True)`` makes it).
        ValueError: the clean map no longer has the noisy map's size: a transform of the pipeline
            changes ``gt_seg_map`` alone and not every map in ``seg_fields``.
    """

    def transform(self, results: dict) -> dict:
        """Pack one sample."""
        packed = super().transform(results)
        if "gt_seg_map_clean" not in results:
            raise KeyError(
                "PackNoisySegInputs needs 'gt_seg_map_clean': set keep_clean=True in CorruptMask."
            )
        clean, noisy = results["gt_seg_map_clean"], results["gt_seg_map"]
        if clean.shape != noisy.shape:
            raise ValueError(
                f"the clean mask has size {clean.shape}, the noisy one {noisy.shape}: a transform of "
                "this pipeline does not follow seg_fields (mmcv's Pad and CenterCrop, Albu). Use "
                "mmseg's own transforms, and pad in the data preprocessor."
            )
        data = torch.from_numpy(np.ascontiguousarray(clean[None].astype(np.int64)))
        packed["data_samples"].gt_sem_seg_clean = PixelData(data=data)
        return packed
