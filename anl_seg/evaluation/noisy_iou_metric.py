"""IoU and Dice against validation masks that are as wrong as those of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from anl_seg._checks import check_integer
from anl_seg.datasets.transforms.corrupt_mask import CorruptMask, identity_of
from anl_seg.evaluation.per_class_iou_metric import PerClassIoUMetric
from anl_seg.noise import MaskNoise, build_noise
from anl_seg.noise.sample_keys import SampleKeys
from anl_seg.registry import METRICS


@METRICS.register_module()
class NoisyIoUMetric(PerClassIoUMetric):
    """:class:`PerClassIoUMetric` against labels that it corrupts itself, as ``noisy/mDice`` and so on.

    It measures how far predictions agree with labels of the kind that training sees, on images that it
    does not see: what is left to stop by where no mask is clean. Beside a metric of the clean labels, of the
    same validation, it shows what stopping by it costs.

    The labels are corrupted as :class:`anl_seg.CorruptMask` would, at the size at which they are
    compared; the generator of a sample is seeded by ``seed`` and the end of its ``seg_map_path``, so that
    they are the same in every validation.

    Args:
        noise: noise config, or a :class:`anl_seg.noise.MaskNoise`; None = the labels as they are. One that
            looks at the image cannot be used: an evaluator has none.
        seed: seed of the noise, an integer of 0 or more.
        key_parts: how many last parts of ``seg_map_path`` seed the noise of a sample.
        kwargs: arguments of :class:`PerClassIoUMetric`; ``prefix`` is ``noisy`` if not given.

    Raises:
        ValueError: a wrong noise, or one that looks at the image; labels that are no class; two samples
            of one key (both are named).
        KeyError: a sample without ``seg_map_path``.
    """

    default_prefix = "noisy"

    def __init__(
        self,
        *args: Any,
        noise: Mapping | MaskNoise | None = None,
        seed: int = 0,
        key_parts: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.key_parts = check_integer("key_parts", key_parts, low=1)
        self._keys = SampleKeys(self.key_parts)
        self.noise = None if noise is None else build_noise(noise)
        self.seed = check_integer("seed", seed, low=0)
        if self.noise is not None and self.noise.needs_image:
            raise ValueError(
                f"{type(self.noise).__name__} looks at the image, which an evaluator does not have: "
                "NoisyIoUMetric takes noises that need none."
            )

    def process(self, data_batch: Any, data_samples: list[dict]) -> None:
        """Corrupt the labels of a batch and compare."""
        if self.noise is not None:
            corrupt = CorruptMask(
                self.noise,
                num_classes=len(self.dataset_meta["classes"]),
                seed=self.seed,
                ignore_index=self.ignore_index,
                key_parts=self.key_parts,
            )
            for sample in data_samples:
                if wrong := self._keys.add(*identity_of(sample, self.key_parts)):
                    raise ValueError(wrong)
            data_samples = [_corrupted(sample, corrupt) for sample in data_samples]
        super().process(data_batch, data_samples)


def _corrupted(sample: dict, corrupt: CorruptMask) -> dict:
    """A data sample with other labels; the one given stays as it is."""
    label = sample["gt_sem_seg"]["data"]
    results = {**sample, "gt_seg_map": label.squeeze(0).cpu().numpy()}
    noisy = torch.from_numpy(corrupt.clean_and_noisy(results)[1])
    return {**sample, "gt_sem_seg": {"data": noisy.reshape(label.shape).to(label.device)}}
