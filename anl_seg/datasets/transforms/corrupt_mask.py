"""The transform that makes training masks wrong, the same way for the same sample every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from mmcv.transforms import BaseTransform

from anl_seg._checks import check_integer
from anl_seg.datasets.transforms._clean_beside import keep_clean_beside
from anl_seg.noise import MaskNoise, build_noise, sample_key, sample_rng
from anl_seg.noise.sample_keys import SampleKeys
from anl_seg.registry import TRANSFORMS


def key_of_sample(results: dict, key_parts: int = 2) -> str:
    """The key that seeds the noise of a sample: its ``sample_key``, else the end of ``seg_map_path``.

    Args:
        results: a sample on its way through a pipeline.
        key_parts: how many last parts of ``seg_map_path`` make the key.

    Raises:
        KeyError: the sample has neither.
    """
    if "sample_key" in results:
        return results["sample_key"]
    if results.get("seg_map_path") is None:
        raise KeyError(
            "CorruptMask needs 'sample_key' or 'seg_map_path' in the sample to seed its noise; "
            f"found only: {', '.join(sorted(results))}."
        )
    return sample_key(results["seg_map_path"], key_parts)


def identity_of(results: dict, key_parts: int) -> tuple[str | None, str | None]:
    """(key, label file) of a sample; None for what it has not."""
    path = results.get("seg_map_path")
    if "sample_key" not in results and path is None:
        return None, None
    return key_of_sample(results, key_parts), path


def _name_of(results: dict) -> str | None:
    """What errors call a sample."""
    return results.get("seg_map_path") or results.get("sample_key")


@TRANSFORMS.register_module()
class CorruptMask(BaseTransform):
    """Corrupt the label map of a training sample.

    Goes right after the transform that loads the annotations, in the training pipeline only. The
    generator of a sample is seeded by (seed, sample key, digest of the noise parameters) and nothing
    else, so the mask is the same in every epoch, worker and rank and after resume.

    Required keys: ``gt_seg_map`` (H, W), and ``sample_key`` (set by the data sets of this package) or
    ``seg_map_path``, whose last ``key_parts`` parts are the key.

    Modified keys: ``gt_seg_map``; pixels equal to ``ignore_index``, dtype and shape stay.

    Added keys: ``mask_noise`` (name of the noise); with ``keep_clean`` also ``gt_seg_map_clean``, listed in
    ``seg_fields`` so that mmseg's geometric transforms take it along, and a second copy of the noisy map
    by which ``PackNoisySegInputs`` sees that they did.

    Args:
        noise: noise config, for example ``dict(type='SymmetricNoise', rate=0.4)``, or a
            :class:`anl_seg.noise.MaskNoise`.
        num_classes: C; labels must lie in [0, C) or be ``ignore_index``.
        seed: seed of the noise, an integer of 0 or more; independent of the runner's seed.
        keep_clean: keep the clean map beside the noisy one.
        ignore_index: label of pixels that do not count.
        key_parts: how many last parts of ``seg_map_path`` make the sample key: 3 where masks are named
            alike in folders of the same name (``<case>/labels/mask.png``).

    Raises:
        ValueError: a map that is not (H, W) integers, labels out of range, a map of another size
            than the image as it was read (file and values named), an image resized or normalized before
            a noise that looks at it, a pipeline that corrupts twice, or two samples of one key (both
            are named).
        KeyError: a required key is missing.
    """

    #: Read where a config is searched for what corrupts its masks.
    corrupts_mask: ClassVar[bool] = True
    #: Read by NoiseStatisticsHook, which calls ``clean_and_noisy`` of such transforms.
    records_noise_statistics = True

    def __init__(
        self,
        noise: Mapping | MaskNoise,
        num_classes: int,
        seed: int = 0,
        keep_clean: bool = False,
        ignore_index: int = 255,
        key_parts: int = 2,
    ) -> None:
        self.noise = build_noise(noise)
        self.num_classes = check_integer("num_classes", num_classes, low=2)
        self.seed = check_integer("seed", seed, low=0)
        self.keep_clean = keep_clean
        self.ignore_index = ignore_index
        self.key_parts = check_integer("key_parts", key_parts, low=1)
        self._digest = self.noise.digest()
        self._keys = SampleKeys(self.key_parts)

    def _image(self, mask: np.ndarray, results: dict) -> np.ndarray | None:
        """The image of a mask; None where there is none, or none of its size any more.

        mmseg's test pipelines resize the image before they load the mask.
        """
        image = results.get("img")
        if self.noise.needs_image and "img_norm_cfg" in results:
            raise ValueError(
                f"{type(self.noise).__name__} looks at the image, which has been normalised: put Normalize "
                f"behind CorruptMask. ({_name_of(results)})"
            )
        if image is None or image.shape[:2] == mask.shape:
            return image
        sizes = (
            f"mask of size {mask.shape} (H, W) for an image of size {image.shape[:2]}: "
            f"{_name_of(results)}"
        )
        if tuple(results.get("ori_shape") or ()) != mask.shape:
            raise ValueError(sizes)
        if self.noise.needs_image:
            raise ValueError(
                f"{type(self.noise).__name__} looks at the image, which has been resized: put Resize behind "
                f"CorruptMask. ({sizes})"
            )
        return None

    def _check(self, mask: np.ndarray, results: dict) -> None:
        where = _name_of(results)
        if mask.ndim != 2 or not np.issubdtype(mask.dtype, np.integer):
            raise ValueError(
                f"a label map must be integers of shape (H, W); got {mask.dtype} of shape "
                f"{mask.shape} (a colour picture?): {where}"
            )
        # Not by counting every label: the table would be as long as the largest one.
        wrong = (mask < 0) | (mask >= self.num_classes)
        wrong &= mask != self.ignore_index
        if not wrong.any():
            return
        bad = np.unique(mask[wrong])
        raise ValueError(
            f"labels out of range: found {', '.join(map(str, bad[:10]))} in {where}; allowed are "
            f"0 to {self.num_classes - 1} and ignore_index={self.ignore_index}. Where the files hold "
            "other values for the classes, load them by anl_seg.LoadAnnotationsByValue."
        )

    def clean_and_noisy(self, results: dict) -> tuple[np.ndarray, np.ndarray]:
        """The sample's label map (H, W) before and after the noise; ``results`` is not changed."""
        if "mask_noise" in results:
            raise ValueError(
                f"the mask already carries {results['mask_noise']}: a pipeline may corrupt it only "
                "once. Remove one CorruptMask."
            )
        if "gt_seg_map" not in results:
            raise KeyError("CorruptMask needs 'gt_seg_map': put it right after LoadAnnotations.")
        clean = results["gt_seg_map"]
        key = key_of_sample(results, self.key_parts)
        self._check(clean, results)
        noisy = self.noise(
            clean,
            sample_rng(self.seed, key, self._digest),
            num_classes=self.num_classes,
            ignore_index=self.ignore_index,
            image=self._image(clean, results),
        )
        return clean, noisy

    def transform(self, results: dict) -> dict:
        """Corrupt ``gt_seg_map`` of one sample."""
        if wrong := self._keys.add(*identity_of(results, self.key_parts)):
            raise ValueError(wrong)
        clean, noisy = self.clean_and_noisy(results)
        results["gt_seg_map"] = noisy
        results["mask_noise"] = type(self.noise).__name__
        if self.keep_clean:
            keep_clean_beside(results, clean, noisy, self.ignore_index)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(noise={self.noise!r}, num_classes={self.num_classes}, "
            f"seed={self.seed}, keep_clean={self.keep_clean}, ignore_index={self.ignore_index})"
        )
