"""A made-up batch: blocks of classes in their own colors, with label noise and ignored pixels."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from anl_seg.noise import MaskNoise, sample_rng

_BLOCK = 8


def block_mask(rng: np.random.RandomState, num_classes: int, size: int) -> np.ndarray:
    """(size, size) int64 of 8 x 8 blocks; the classes take turns, in random places."""
    blocks = rng.permutation(np.arange((size // _BLOCK) ** 2) % num_classes)
    blocks = blocks.reshape(size // _BLOCK, size // _BLOCK)
    return blocks.repeat(_BLOCK, 0).repeat(_BLOCK, 1).astype(np.int64)


def _edges(mask: np.ndarray) -> np.ndarray:
    edges = np.zeros_like(mask)
    edges[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    edges[1:] |= mask[1:] != mask[:-1]
    return edges


def noisy_batch(
    noise: MaskNoise,
    *,
    num_classes: int,
    channels: int = 3,
    size: int = 64,
    batch_size: int = 2,
    ignore_index: int = 255,
    border: int = 4,
    seed: int = 0,
) -> dict:
    """What mmseg's data loader would give to ``train_step``.

    Args:
        noise: changes the masks.
        num_classes: C, at least 2.
        channels: of the images.
        size: height and width, a multiple of 8.
        batch_size: number of images.
        ignore_index: label of the topmost rows; noise leaves it alone.
        border: how many these are.
        seed: of images, masks and noise.

    Returns:
        ``inputs``, a list of uint8 (channels, size, size), and ``data_samples``, a list of
        ``SegDataSample`` with ``gt_sem_seg`` and, for PIDNet, ``gt_edge_map``, both (1, size, size).
    """
    inputs, samples = [], []
    for i in range(batch_size):
        rng = sample_rng(seed, f"zoo/{i}", noise.digest())
        mask = block_mask(rng, num_classes, size)
        colors = rng.permutation(256)[np.arange(num_classes) % 256]
        image = (colors[mask][..., None] + 9 * rng.standard_normal((size, size, channels))) % 256
        image = image.astype(np.uint8)
        mask[:border] = ignore_index
        if (
            not 0 <= ignore_index < num_classes
        ):  # noise knows ignored pixels by a label of their own
            mask = noise(mask, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)
        else:
            mask = noise(mask, rng, num_classes=num_classes, image=image)
        sample = SegDataSample(metainfo=dict(img_shape=(size, size), ori_shape=(size, size)))
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
        sample.gt_edge_map = PixelData(data=torch.from_numpy(_edges(mask))[None])
        inputs.append(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
