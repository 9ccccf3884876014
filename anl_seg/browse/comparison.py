"""One sample before and after the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anl_seg.corruption.mask_dataset import Sample
from anl_seg.noise import MaskNoise, NoiseStatistics, noise_statistics, sample_rng


@dataclass(frozen=True, eq=False)
class ComparedSample:
    """A mask, what the noise makes of it, and how far the two are apart.

    Attributes:
        key: what seeds the sample's noise.
        clean: (H, W) labels.
        noisy: (H, W) labels.
        image: (H, W) or (H, W, channels), or None.
        statistics: of clean against noisy.
    """

    key: str
    clean: np.ndarray
    noisy: np.ndarray
    image: np.ndarray | None
    statistics: NoiseStatistics


def compare_sample(
    sample: Sample, noise: MaskNoise, *, seed: int, num_classes: int, ignore_index: int
) -> ComparedSample:
    """The :class:`ComparedSample` of a sample: the very noise that training with it would see.

    Args:
        sample: with its image, where the noise looks at it.
        noise: the model; its generator is seeded by the seed, the sample's key and its digest.
        seed: seed of the noise.
        num_classes: number of classes.
        ignore_index: label of the pixels without a class.

    Raises:
        ValueError: a label is out of range, or the image has another size than the mask. The text
            names the sample.
    """
    classes = {"num_classes": num_classes, "ignore_index": ignore_index}
    if sample.image is not None and sample.image.shape[:2] != sample.mask.shape:
        raise ValueError(
            f"{sample.key}: the image is {sample.image.shape[:2]} (H, W), "
            f"the mask {sample.mask.shape}."
        )
    rng = sample_rng(seed, sample.key, noise.digest())
    try:
        noisy = noise(sample.mask, rng, image=sample.image, **classes)
        statistics = noise_statistics(sample.mask, noisy, **classes)
    except ValueError as error:
        raise ValueError(f"{sample.key}: {error}") from error
    return ComparedSample(sample.key, sample.mask, noisy, sample.image, statistics)
