"""A procedural data set: nothing to download, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from anl_seg._checks import check_integer
from anl_seg.datasets._shapes import CLASSES, SPLITS, check_request
from anl_seg.datasets._split_dataset import SplitDataset
from anl_seg.registry import DATASETS


@DATASETS.register_module()
class SyntheticShapesDataset(SplitDataset):
    """Scenes of overlapping shapes, drawn on demand by ``LoadSyntheticShapes``.

    Six classes of clearly unequal frequency: background, block, disc, triangle, ring, cross. Each
    sample is a pure function of (seed, split, index, size): the same in every epoch, process and
    order. ``img_path`` and ``seg_map_path`` are names only, there is no such file.

    Args:
        length: number of samples, >= 1. A longer data set begins with the samples of a shorter one.
        size: (H, W) in pixels, integers in [16, 4096].
        seed: integer >= 0; another seed gives another, unrelated data set.
        split: ``"train"``, ``"val"`` or ``"test"``, disjoint random streams.
        kwargs: further arguments of mmseg's ``BaseSegDataset``: ``metainfo``, ``pipeline``, ``indices``,
            ``test_mode``, ``lazy_init`` and so on.

    Raises:
        ValueError: if an argument is not allowed; the text names its value and what is.
    """

    METAINFO: ClassVar[dict] = {
        "classes": CLASSES,
        "palette": [
            [40, 40, 40],
            [0, 130, 200],
            [230, 25, 75],
            [60, 180, 75],
            [240, 50, 230],
            [255, 225, 25],
        ],
    }
    SPLITS: ClassVar[tuple[str, ...]] = SPLITS
    #: Which generator draws the samples, and the start of their keys.
    KIND: ClassVar[str] = "synthetic_shapes"

    def __init__(
        self,
        length: int = 160,
        size: Sequence[int] = (64, 64),
        seed: int = 0,
        split: str = "train",
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("data_root", None):
            raise ValueError(f"{type(self).__name__} reads no files: remove data_root.")
        self.length = check_integer("length", length, low=1)
        self.size = check_request(seed, split, 0, size)
        self.seed = seed
        super().__init__(split=split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One dict per sample: what ``LoadSyntheticShapes`` needs, and its stable ``sample_key``."""
        samples = []
        for index in range(self.length):
            key = f"{self.KIND}/{self.split}/{self.seed}/{index}"
            info = self._data_info(key, img_path=f"{key}.png", seg_map_path=f"{key}.png")
            drawn = {"kind": self.KIND, "index": index, "seed": self.seed, "size": self.size}
            samples.append({**info, **drawn})
        return samples
