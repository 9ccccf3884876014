"""Padding of every label map of a sample."""

from __future__ import annotations

import mmcv
from mmcv.transforms import Pad as MMCVPad

from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Pad(MMCVPad):
    """mmcv's ``Pad`` for all maps in ``seg_fields``, not ``gt_seg_map`` alone.

    mmseg's pipelines use mmcv's, which would leave the clean mask behind. Arguments are the same.
    """

    def _pad_seg(self, results: dict) -> None:
        for key in results.get("seg_fields", []):
            results[key] = mmcv.impad(
                results[key],
                shape=results["pad_shape"][:2],
                pad_val=self.pad_val.get("seg", 255),
                padding_mode=self.padding_mode,
            )
