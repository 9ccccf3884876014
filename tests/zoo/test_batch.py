from __future__ import annotations

import pytest
import torch

from anl_seg.noise import build_noise
from tools.model_zoo.batch import noisy_batch

NOISE = build_noise(dict(type="SymmetricNoise", rate=0.4))
CLEAN = build_noise(dict(type="SymmetricNoise", rate=0.0))


def labels(batch):
    return torch.stack([s.gt_sem_seg.data for s in batch["data_samples"]])


def test_shapes_and_values():
    batch = noisy_batch(NOISE, num_classes=7, channels=6)
    assert [tuple(x.shape) for x in batch["inputs"]] == [(6, 64, 64)] * 2
    assert all(x.dtype == torch.uint8 for x in batch["inputs"])
    found = labels(batch)
    assert found.shape == (2, 1, 64, 64)
    assert found.dtype == torch.int64
    assert set(found.unique().tolist()) == {*range(7), 255}
    assert (found[:, :, :4] == 255).all()
    assert set(batch["data_samples"][0].gt_edge_map.data.unique().tolist()) <= {0, 1}


def test_labels_are_noisy():
    """A clean mask is made of 8 x 8 blocks; of the noisy one's valid pixels 40 % left their block's class."""
    found = labels(noisy_batch(NOISE, num_classes=7))[0, 0, 8:]
    blocks = found.unfold(0, 8, 8).unfold(1, 8, 8).flatten(2)
    clean = blocks.mode(dim=2).values
    assert (blocks != clean[..., None]).float().mean().item() == pytest.approx(0.4, abs=0.03)


def test_the_same_seed_gives_the_same_batch():
    first, again = (noisy_batch(NOISE, num_classes=3) for _ in range(2))
    other = noisy_batch(NOISE, num_classes=3, seed=1)
    assert torch.equal(labels(first), labels(again))
    assert torch.equal(first["inputs"][1], again["inputs"][1])
    assert not torch.equal(labels(first), labels(other))


def test_an_ignored_class():
    """Some data sets ignore label 0, which is also a class of the head."""
    found = labels(noisy_batch(CLEAN, num_classes=4, ignore_index=0))
    assert (found[:, :, :4] == 0).all()
    assert found.max() < 4


def test_a_batch_without_ignored_pixels():
    assert labels(noisy_batch(NOISE, num_classes=4, border=0)).max() < 4
