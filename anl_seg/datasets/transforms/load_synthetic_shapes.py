"""Loader of ``SyntheticShapesDataset`` and ``SyntheticLongTailDataset``."""

from __future__ import annotations

from typing import ClassVar

from mmcv.transforms import BaseTransform

from anl_seg.datasets import _long_tail, _shapes
from anl_seg.datasets.transforms._read_mask import store_seg_map
from anl_seg.registry import TRANSFORMS

_GENERATORS = {
    "synthetic_shapes": _shapes.draw_sample,
    "synthetic_long_tail": _long_tail.draw_sample,
}


@TRANSFORMS.register_module()
class LoadSyntheticShapes(BaseTransform):
    """Draw image and mask of a synthetic sample; the only loader its pipeline needs.

    Required keys: ``seed``, ``split``, ``index``, ``size``, as ``SyntheticShapesDataset`` and
    ``SyntheticLongTailDataset`` give them, and ``kind`` (which of the two draws; default
    ``synthetic_shapes``), ``label_map`` and ``reduce_zero_label`` where present.

    Added keys: ``img`` (uint8 (H, W, 3), BGR), ``img_shape`` and ``ori_shape`` ((H, W)), ``gt_seg_map``
    (uint8 (H, W)). Modified: ``seg_fields``.

    Raises:
        KeyError: for a sample of another data set, with the name of the key it lacks.
        ValueError: if a value is not allowed or ``reduce_zero_label`` is set.
    """

    loads_seg_map: ClassVar[bool] = True

    def transform(self, results: dict) -> dict:
        """Draw one sample into ``results``."""
        missing = [key for key in ("seed", "split", "index", "size") if key not in results]
        if missing:
            raise KeyError(
                f"LoadSyntheticShapes needs {', '.join(missing)} in the sample: it loads samples of "
                "anl_seg.SyntheticShapesDataset and anl_seg.SyntheticLongTailDataset only."
            )
        draw_sample = _GENERATORS[results.get("kind", "synthetic_shapes")]
        image, mask = draw_sample(
            results["seed"], results["split"], results["index"], results["size"]
        )
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return store_seg_map(results, mask)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
