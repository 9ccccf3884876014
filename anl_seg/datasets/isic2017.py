"""Dermoscopic images of the ISIC 2017 challenge, part 1 (lesion segmentation)."""

from __future__ import annotations

from typing import ClassVar

from anl_seg.datasets._split_dataset import FolderDataset
from anl_seg.registry import DATASETS

_FOLDERS = {
    "train": "ISIC-2017_Training",
    "val": "ISIC-2017_Validation",
    "test": "ISIC-2017_Test_v2",
}


@DATASETS.register_module()
class ISIC2017Dataset(FolderDataset):
    """Skin lesions: 2000 images for training, 150 for validation, 600 for testing, of many sizes.

    Layout below ``data_root``, as the challenge distributes it; the ``*_superpixels.png`` and ``.csv``
    files of the data folders are left alone::

        ISIC-2017_{Training,Validation,Test_v2}_Data/<id>.jpg
        ISIC-2017_{Training,Validation,Test_v2}_Part1_GroundTruth/<id>_segmentation.png

    Each sample has ``sample_key`` ``isic2017/{split}/{id}``.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        data_root: the folder of these folders; None reads the environment variable ISIC2017_ROOT.
        kwargs: further arguments of mmseg's ``BaseSegDataset``: ``metainfo``, ``pipeline``, ``indices``,
            ``test_mode``, ``lazy_init`` and so on.

    Raises:
        ValueError: for an unknown split or an argument that is not allowed.
        FileNotFoundError: if the folder is not given, does not exist or lacks a part of the layout, or
            if an image has no mask; raised when the samples are listed, so not with ``lazy_init=True``.

    Source: Codella et al., ISBI 2018, arXiv 1710.05006.
    """

    METAINFO: ClassVar[dict] = {
        "classes": ("background", "lesion"),
        "palette": [[0, 0, 0], [230, 25, 75]],
    }
    SPLITS: ClassVar[tuple[str, ...]] = tuple(_FOLDERS)
    ROOT_VARIABLE: ClassVar[str] = "ISIC2017_ROOT"

    def load_data_list(self) -> list[dict]:
        """One dict per image, sorted by name."""
        stem = _FOLDERS[self.split]
        images_at, masks_at = self._folders([f"{stem}_Data", f"{stem}_Part1_GroundTruth"])
        images = self._images(images_at, ".jpg")
        masks = [masks_at / f"{image.stem}_segmentation.png" for image in images]
        self._require_masks(masks)
        return [
            self._data_info(f"isic2017/{self.split}/{image.stem}", str(image), str(mask))
            for image, mask in zip(images, masks)
        ]
