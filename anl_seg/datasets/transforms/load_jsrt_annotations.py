"""Loader of the masks of ``JSRTDataset``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from mmcv.transforms import BaseTransform

from anl_seg.datasets.transforms._read_mask import (
    check_image_size,
    read_binary_mask,
    store_seg_map,
)
from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadJSRTAnnotations(BaseTransform):
    """Merge the binary masks of a radiograph into one: 0 background, 1 lung, 2 heart, 3 clavicle.

    Where masks overlap, the later class wins.

    Required keys: ``mask_paths`` (class name -> file, in the order of the classes), and ``ori_shape``,
    ``label_map`` and ``reduce_zero_label`` where present.

    Added key: ``gt_seg_map`` (uint8 (H, W)). Modified: ``seg_fields``.

    Raises:
        KeyError: for a sample of another data set.
        FileNotFoundError: if a mask is missing.
        ValueError: if a mask cannot be read, holds values other than 0 and 255, differs in size from
            the others or from the loaded image, or if ``reduce_zero_label`` is set.
    """

    loads_seg_map: ClassVar[bool] = True

    def transform(self, results: dict) -> dict:
        """Read the masks of one sample into ``results``."""
        if "mask_paths" not in results:
            raise KeyError(
                "LoadJSRTAnnotations needs mask_paths in the sample: it loads samples of "
                "anl_seg.JSRTDataset only."
            )
        paths = list(results["mask_paths"].values())
        masks = list(map(read_binary_mask, paths))
        merged, first = np.zeros_like(masks[0]), paths[0]
        for label, (path, mask) in enumerate(zip(paths, masks), start=1):
            if mask.shape != merged.shape:
                raise ValueError(
                    f"mask files of one image differ in size (height x width): '{first}' is "
                    f"{merged.shape[0]} x {merged.shape[1]}, '{path}' is "
                    f"{mask.shape[0]} x {mask.shape[1]}."
                )
            merged[mask == 1] = label
        check_image_size(results, merged, first)
        return store_seg_map(results, merged)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
