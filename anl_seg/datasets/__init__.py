"""Data sets, registered in scope ``anl_seg``: ``type='anl_seg.SyntheticShapesDataset'`` and so on."""

from __future__ import annotations

from anl_seg.datasets.isic2017 import ISIC2017Dataset
from anl_seg.datasets.jsrt import JSRTDataset
from anl_seg.datasets.synthetic_long_tail import SyntheticLongTailDataset
from anl_seg.datasets.synthetic_shapes import SyntheticShapesDataset

__all__ = ["ISIC2017Dataset", "JSRTDataset", "SyntheticLongTailDataset", "SyntheticShapesDataset"]
