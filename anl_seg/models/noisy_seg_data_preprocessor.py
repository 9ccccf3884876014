"""A data preprocessor that pads the clean mask as it pads the noisy one."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor

from anl_seg.registry import MODELS


@MODELS.register_module()
class NoisySegDataPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor, plus the field ``gt_sem_seg_clean`` of each data sample.

    mmseg pads the maps it knows, at the bottom and the right with ``seg_pad_val``; the clean mask
    follows to the same size. Arguments are those of ``SegDataPreProcessor``.
    """

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Preprocess a batch; see ``SegDataPreProcessor.forward``."""
        data = super().forward(data, training)
        for sample in data["data_samples"] or ():
            if "gt_sem_seg_clean" not in sample:
                continue
            height, width = sample.gt_sem_seg.shape
            clean = sample.gt_sem_seg_clean.data
            pad = (0, width - clean.shape[-1], 0, height - clean.shape[-2])
            if any(pad):
                padded = F.pad(clean, pad, value=self.seg_pad_val)
                # PixelData refuses a change of shape, so the field is set anew.
                del sample.gt_sem_seg_clean
                sample.gt_sem_seg_clean = PixelData(data=padded)
        return data
