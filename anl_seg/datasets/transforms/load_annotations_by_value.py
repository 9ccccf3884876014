"""Loader of masks in which each class has a value of its own, such as 0 and 255."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.fileio import get

from anl_seg._checks import check_integer
from anl_seg.datasets.transforms._read_mask import check_image_size, store_seg_map
from anl_seg.registry import TRANSFORMS

_IGNORED = 255


@TRANSFORMS.register_module()
class LoadAnnotationsByValue(BaseTransform):
    """Read a mask file and make labels of its values; for any data set of mmseg.

    Stands in the place of mmseg's ``LoadAnnotations``, which takes the values as they are: of a mask of
    0 and 255 it would leave the background alone, as 255 is ignored.

    Required keys: ``seg_map_path``, and ``ori_shape``, ``label_map`` and ``reduce_zero_label`` where
    present.

    Added key: ``gt_seg_map`` (uint8 (H, W)). Modified: ``seg_fields``.

    Args:
        values: for each class its value in the files, or a list of values. The default is 0 for class 0
            and 255 for class 1.
        ignored_values: values of pixels that do not count; they become 255.
        backend_args: of mmengine's file backends, where files do not lie on a disk.

    Raises:
        FileNotFoundError: if the mask is missing.
        ValueError: for values that are not whole numbers from 0 on, are given twice or are more than
            255 classes; for a mask that cannot be read, has differing channels, holds other values or
            differs in size from the loaded image; if ``reduce_zero_label`` is set.
    """

    loads_seg_map: ClassVar[bool] = True

    def __init__(
        self,
        values: Sequence[int | Sequence[int]] = (0, 255),
        ignored_values: Sequence[int] = (),
        backend_args: dict | None = None,
    ) -> None:
        self.values, self.ignored_values = values, ignored_values
        self.backend_args = backend_args
        if not isinstance(values, (list, tuple)) or not 2 <= len(values) <= _IGNORED:
            raise ValueError(
                f"values must be a list of those of 2 to {_IGNORED} classes, in their order, got {values!r}"
            )
        label_of: dict[int, int] = {}
        groups = [*enumerate(values), (_IGNORED, list(ignored_values))]
        for label, group in groups:
            for value in group if isinstance(group, (list, tuple)) else [group]:
                if label_of.setdefault(check_integer("a value", value, low=0), label) != label:
                    raise ValueError(f"the value {value} is given to two classes in {values!r}")
        self._known = np.array(sorted(label_of))
        self._labels = np.array([label_of[value] for value in self._known.tolist()], np.uint8)

    def transform(self, results: dict) -> dict:
        """Read the mask of one sample into ``results``."""
        path = results["seg_map_path"]
        data = get(path, backend_args=self.backend_args)
        # Pillow, as mmseg's loader: it gives the indices of a palette, not its colors.
        image = mmcv.imfrombytes(data, flag="unchanged", backend="pillow")
        image = image.astype(np.int64)
        if image.ndim == 3:
            if (image != image[..., :1]).any():
                raise ValueError(
                    f"mask file '{path}' must have one channel or equal ones, got a colour picture of "
                    f"{image.shape[2]} channels."
                )
            image = image[..., 0]
        at = np.searchsorted(self._known, image).clip(max=len(self._known) - 1)
        wrong = self._known[at] != image
        if wrong.any():
            found = np.unique(image[wrong])
            shown = ", ".join(map(str, found[:8].tolist())) + (", ..." if len(found) > 8 else "")
            raise ValueError(
                f"mask file '{path}' holds {shown} at {int(wrong.sum())} of {wrong.size} pixels; allowed are "
                f"{', '.join(map(str, self._known.tolist()))} (values and ignored_values of "
                "LoadAnnotationsByValue). Was it compressed as JPEG, or resized smoothly?"
            )
        mask = self._labels[at]
        check_image_size(results, mask, path)
        return store_seg_map(results, mask)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(values={self.values!r}, ignored_values={self.ignored_values!r})"
        )
