"""A procedural data set of many classes with a long tail."""

from __future__ import annotations

from typing import ClassVar

from anl_seg.datasets._long_tail import CLASSES, PALETTE
from anl_seg.datasets.synthetic_shapes import SyntheticShapesDataset
from anl_seg.registry import DATASETS


@DATASETS.register_module()
class SyntheticLongTailDataset(SyntheticShapesDataset):
    """Scenes of ten objects out of 42 classes, drawn on demand by ``LoadSyntheticShapes``.

    43 classes: the background and every pair of 14 colors and 3 textures. Object class k is drawn in
    proportion to 1 / k: the first 42 times as often as the last, which has about 0.1 % of the pixels.
    For losses that lose small classes, and for losses made for many classes. Samples are identified,
    and arguments are, as those of :class:`SyntheticShapesDataset`. 60 samples hold every class.
    """

    METAINFO: ClassVar[dict] = {"classes": CLASSES, "palette": PALETTE}
    KIND: ClassVar[str] = "synthetic_long_tail"
