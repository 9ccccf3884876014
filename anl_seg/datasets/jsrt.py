"""Chest radiographs of the JSRT database with the outlines of the SCR database."""

from __future__ import annotations

from typing import ClassVar

from anl_seg.datasets._split_dataset import FolderDataset
from anl_seg.registry import DATASETS

ORGANS = ("lung", "heart", "clavicle")  # in this order: later ones win where masks overlap


@DATASETS.register_module()
class JSRTDataset(FolderDataset):
    """Lung, heart and clavicle in 256 x 256 chest radiographs; 148 for training, 24 for validation.

    Layout below ``data_root``, one binary mask (0 / 255) per organ and image, under the same name::

        images/{train,val}/*.png
        {lung,heart,clavicle}/{train,val}/*.png

    Each sample has ``sample_key`` ``jsrt/{split}/{name}``, ``mask_paths`` (organ -> file, in the order of
    the classes) and ``seg_map_path``, which is the lung mask and only stands for the three:
    ``LoadJSRTAnnotations`` reads all of them.

    Args:
        split: ``"train"`` or ``"val"``.
        data_root: the folder that holds ``images``; None reads the environment variable JSRT_ROOT.
        kwargs: further arguments of mmseg's ``BaseSegDataset``: ``metainfo``, ``pipeline``, ``indices``,
            ``test_mode``, ``lazy_init`` and so on.

    Raises:
        ValueError: for an unknown split or an argument that is not allowed.
        FileNotFoundError: if the folder is not given, does not exist or lacks a part of the layout, or
            if an image has no mask; raised when the samples are listed, so not with ``lazy_init=True``.

    Source: Shiraishi et al., 2000 (images); van Ginneken et al., 2006 (outlines); Yao et al., ICLR 2023
    (split).
    """

    METAINFO: ClassVar[dict] = {
        "classes": ("background", *ORGANS),
        "palette": [[0, 0, 0], [70, 130, 180], [220, 20, 60], [255, 225, 25]],
    }
    SPLITS: ClassVar[tuple[str, ...]] = ("train", "val")
    ROOT_VARIABLE: ClassVar[str] = "JSRT_ROOT"

    def load_data_list(self) -> list[dict]:
        """One dict per image, sorted by name."""
        parts = [f"{part}/{self.split}" for part in ("images", *ORGANS)]
        images_at, *masks_at = self._folders(parts)
        images = self._images(images_at, ".png")
        self._require_masks([folder / image.name for image in images for folder in masks_at])
        samples = []
        for image in images:
            masks = {organ: str(at / image.name) for organ, at in zip(ORGANS, masks_at)}
            info = self._data_info(f"jsrt/{self.split}/{image.stem}", str(image), masks[ORGANS[0]])
            samples.append({**info, "mask_paths": masks})
        return samples
