"""Scoring at the size that the network works at."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizedAsOriginal(BaseTransform):
    """Declare the present image size the original one.

    mmseg resizes predictions back to ``ori_shape``. Behind this transform they stay at the size of
    the resized label map, so a study at 64 x 64 is scored at 64 x 64, and what was memorized is
    measured on the very pixels that were trained on.

    Required key: ``img`` (H, W, channels). Modified key: ``ori_shape`` (H, W).
    """

    def transform(self, results: dict) -> dict:
        """Set ``ori_shape`` of one sample."""
        results["ori_shape"] = results["img"].shape[:2]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
