"""Loader of the masks of ``ISIC2017Dataset``."""

from __future__ import annotations

from typing import ClassVar

from mmcv.transforms import BaseTransform

from anl_seg.datasets.transforms._read_mask import (
    check_image_size,
    read_binary_mask,
    store_seg_map,
)
from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadISIC2017Annotations(BaseTransform):
    """Read a lesion mask: 0 -> 0 (background), 255 -> 1 (lesion).

    mmseg's own ``LoadAnnotations`` would keep the 255, which every loss ignores.

    Required keys: ``seg_map_path``, and ``ori_shape``, ``label_map`` and ``reduce_zero_label`` where
    present.

    Added key: ``gt_seg_map`` (uint8 (H, W)). Modified: ``seg_fields``.

    Raises:
        FileNotFoundError: if the mask is missing.
        ValueError: if the mask cannot be read, holds values other than 0 and 255 or differs in size
            from the loaded image, or if ``reduce_zero_label`` is set.
    """

    loads_seg_map: ClassVar[bool] = True

    def transform(self, results: dict) -> dict:
        """Read the mask of one sample into ``results``."""
        path = results["seg_map_path"]
        mask = read_binary_mask(path)
        check_image_size(results, mask, path)
        return store_seg_map(results, mask)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
