"""Packing that carries the clean mask beside the noisy one."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs

from anl_seg.datasets.transforms._clean_beside import check_went_together
from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackNoisySegInputs(PackSegInputs):
    """mmseg's ``PackSegInputs``, plus ``gt_seg_map_clean`` (H, W) as the field ``gt_sem_seg_clean``.

    The field is a ``PixelData`` with int64 data (1, H, W), as ``gt_sem_seg`` is. Arguments are those of
    ``PackSegInputs``. Use it with ``anl_seg.NoisySegDataPreProcessor``.

    Raises:
        KeyError: no clean map in the sample (``CorruptMask(keep_clean=True)`` makes it).
        ValueError: the clean map was left behind: a transform of the pipeline changes ``gt_seg_map``
            alone and not every map in ``seg_fields``.
    """

    def transform(self, results: dict) -> dict:
        """Pack one sample."""
        packed = super().transform(results)
        if "gt_seg_map_clean" not in results:
            raise KeyError(
                "PackNoisySegInputs needs 'gt_seg_map_clean': set keep_clean=True in CorruptMask, and let "
                "every transform pass on what it does not know."
            )
        check_went_together(results)
        clean = results["gt_seg_map_clean"]
        data = torch.from_numpy(np.ascontiguousarray(clean[None].astype(np.int64)))
        packed["data_samples"].gt_sem_seg_clean = PixelData(data=data)
        return packed
