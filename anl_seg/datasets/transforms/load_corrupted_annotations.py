"""Loader of the masks that tools/corrupt_dataset.py has written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmcv.transforms import BaseTransform

from anl_seg._files import inside, read_regular_file
from anl_seg.datasets.transforms._clean_beside import keep_clean_beside
from anl_seg.datasets.transforms.corrupt_mask import key_of_sample
from anl_seg.masks.manifest_file import FILE_NAME, read_manifest
from anl_seg.masks.png import read_mask_png
from anl_seg.masks.raw_labels import RawLabels
from anl_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadCorruptedAnnotations(BaseTransform):
    """Exchange the clean label map of a sample for the corrupted one that was written for it.

    Stands where ``CorruptMask`` would stand, right behind the transform that loads the annotations, and
    gives the masks that ``CorruptMask`` with the manifest's noise and seed would give. Works with every
    data set that ``tools/corrupt_dataset.py`` reads.

    Required keys: ``gt_seg_map`` (H, W), and ``sample_key`` or ``seg_map_path``, as for ``CorruptMask``.
    Modified keys: ``gt_seg_map``; shape stays, and dtype if it can hold the labels.
    Added keys: ``mask_noise`` (name of the noise); with ``keep_clean`` also ``gt_seg_map_clean``, listed in
    ``seg_fields``.

    Args:
        folder: what ``--out`` was: the folder of ``manifest.json``.
        dataset: number of the data set in the manifest, where it holds several.
        keep_clean: keep the clean map beside the noisy one.

    Each file is compared with its SHA-256 in the manifest whenever it is read, and the manifest with
    its own when the transform is built. Nothing is read that lies outside the folder, links followed.

    Raises:
        FileNotFoundError: no manifest in the folder, or no file for a sample.
        ValueError: a manifest of a run that was interrupted, that was changed, of another format or of
            several data sets of which none is named; a file that cannot be read, was changed since
            the manifest was written, lies elsewhere or is of another size than the clean map; a
            pipeline that corrupts twice.
        KeyError: a sample that was not corrupted there, or has no key.
    """

    #: Read where a config is searched for what corrupts its masks.
    corrupts_mask: ClassVar[bool] = True

    def __init__(
        self, folder: str | os.PathLike, dataset: int | None = None, keep_clean: bool = False
    ) -> None:
        self.folder = os.fspath(folder)
        self.dataset = dataset
        self.keep_clean = keep_clean
        path = Path(folder) / FILE_NAME
        manifest, intact = read_manifest(path)
        if manifest["status"] != "complete":
            raise ValueError(
                f"the corruption in '{folder}' was interrupted: end it with corrupt_dataset.py --resume."
            )
        if not intact:
            raise ValueError(
                f"'{path}' was changed after it was written (wrong checksum); corrupt_dataset.py --verify "
                "tells what else was."
            )
        count = len(manifest["datasets"])
        if dataset is None and count > 1:
            raise ValueError(f"'{path}' holds {count} data sets: give dataset=0 to {count - 1}.")
        number = dataset or 0
        if not 0 <= number < count:
            raise ValueError(f"dataset must be 0 to {count - 1} for '{path}'; got {dataset}.")
        self._noise = manifest["noise"]["type"]
        self._ignore_index = manifest["ignore_index"]
        self._key_parts = manifest["key_parts"]
        runs = manifest["datasets"][number].get("labels")
        self._raw = RawLabels.identity() if runs is None else RawLabels.from_runs(runs)
        #: (name, SHA-256) of the file of each key.
        self._files: dict[str, tuple[str, str] | None] = {}
        for record in manifest["files"]:
            if record["dataset"] == number:
                # Two files may have one key; such samples cannot be told apart.
                known = record["key"] in self._files
                file = (record["file"], record["sha256"])
                self._files[record["key"]] = None if known else file

    def transform(self, results: dict) -> dict:
        """Exchange the map of one sample."""
        if "mask_noise" in results:
            raise ValueError(
                f"the mask already carries {results['mask_noise']}: take CorruptMask out of the pipeline."
            )
        if "gt_seg_map" not in results:
            raise KeyError(
                "LoadCorruptedAnnotations needs 'gt_seg_map': put it right behind the transform that "
                "loads the annotations."
            )
        clean = results["gt_seg_map"]
        name, sha256 = self._file(results)
        noisy = self._load(name, sha256)
        if noisy.shape != clean.shape:
            raise ValueError(
                f"corrupted mask of size {noisy.shape} (H, W) for a clean one of size {clean.shape}: "
                f"{Path(self.folder, name)}"
            )
        low, high = int(noisy.min(initial=0)), int(noisy.max(initial=0))
        info = np.iinfo(clean.dtype)
        fits = info.min <= low and high <= info.max
        if not fits and (low < 0 or high > np.iinfo(np.uint16).max):
            raise ValueError(
                f"the manifest gives no label from 0 to 65535 to every value of '{Path(self.folder, name)}'."
            )
        results["gt_seg_map"] = noisy.astype(clean.dtype if fits else np.uint16)
        results["mask_noise"] = self._noise
        if self.keep_clean:
            keep_clean_beside(results, clean, results["gt_seg_map"], self._ignore_index)
        return results

    def _file(self, results: dict) -> tuple[str, str]:
        """The file of a sample: its name below the folder and its SHA-256."""
        key = key_of_sample(results, self._key_parts)
        if key not in self._files:
            raise KeyError(f"no corrupted mask for sample {key!r} in '{self.folder}'.")
        file = self._files[key]
        if file is None:
            raise KeyError(
                f"several corrupted masks in '{self.folder}' have the key {key!r}; lead the data set to "
                "them by data_prefix."
            )
        return file

    def _load(self, name: str, sha256: str) -> np.ndarray:
        path = inside(self.folder, name, "corrupted mask")
        if not os.path.lexists(path):
            raise FileNotFoundError(f"corrupted mask '{path}' is missing.")
        data = read_regular_file(path, "corrupted mask")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(
                f"corrupted mask '{path}' was changed after it was written: its SHA-256 is not that of "
                f"{FILE_NAME}."
            )
        return self._raw.labels(read_mask_png(data, str(path)).values)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(folder={self.folder!r}, dataset={self.dataset}, "
            f"keep_clean={self.keep_clean})"
        )
