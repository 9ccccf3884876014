"""The clean mask follows the noisy one through mmseg's geometric transforms and packing."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, TRANSFORMS

GEOMETRY = {
    "resize": [dict(type="Resize", scale=(50, 30))],
    "random_resize": [
        dict(type="RandomResize", scale=(64, 64), ratio_range=(0.5, 2.0), keep_ratio=True)
    ],
    "crop": [dict(type="RandomCrop", crop_size=(20, 24))],
    "flip": [
        dict(type="RandomFlip", prob=1.0),
        dict(type="RandomFlip", prob=1.0, direction="vertical"),
    ],
    "rotate": [dict(type="RandomRotate", prob=1.0, degree=30, seg_pad_val=255)],
    "rot_flip": [dict(type="RandomRotFlip", rotate_prob=1.0, flip_prob=1.0, degree=20)],
    "multiple": [dict(type="ResizeToMultiple", size_divisor=24)],
    "rescale": [dict(type="SegRescale", scale_factor=0.5)],
    "pad_then_flip": [
        dict(type="anl_seg.Pad", size=(80, 96)),
        dict(type="RandomFlip", prob=1.0),
    ],
}


def apply(steps, results):
    init_default_scope("mmseg")
    for seed, step in enumerate(steps):
        random.seed(seed)
        np.random.seed(seed)
        results = TRANSFORMS.build(step)(results)
    return results


def loaded():
    results = dict(
        index=3,
        seed=0,
        split="train",
        size=(64, 64),
        sample_key="k",
        seg_fields=[],
        label_map=None,
        reduce_zero_label=False,
        img_path="k",
        seg_map_path="k",
    )
    return TRANSFORMS.build(dict(type="anl_seg.LoadSyntheticShapes"))(results)


def corrupt(rate, **more):
    noise = dict(type="SymmetricNoise", rate=rate)
    return dict(type="anl_seg.CorruptMask", noise=noise, num_classes=6, keep_clean=True, **more)


@pytest.mark.parametrize("geometry", GEOMETRY)
def test_clean_undergoes_the_same_geometry(geometry):
    steps = GEOMETRY[geometry]
    alone = apply(steps, loaded())["gt_seg_map"]
    both = apply(steps, apply([corrupt(0.5)], loaded()))
    assert np.array_equal(both["gt_seg_map_clean"], alone)
    assert both["gt_seg_map"].shape == alone.shape
    assert (both["gt_seg_map"] != alone).mean() > 0.2
    assert ((both["gt_seg_map"] == 255) == (alone == 255)).all()
    unchanged = apply(steps, apply([corrupt(0.0)], loaded()))
    assert np.array_equal(unchanged["gt_seg_map"], unchanged["gt_seg_map_clean"])


def test_pad_equals_mmcvs_on_image_and_mask():
    options = dict(size=(96, 80), pad_val=dict(img=3, seg=9))
    ours = apply([corrupt(0.5), dict(type="anl_seg.Pad", **options)], loaded())
    theirs = apply([corrupt(0.5), dict(type="Pad", **options)], loaded())
    for key in ("img", "gt_seg_map"):
        assert ours[key].shape[:2] == (80, 96)
        assert np.array_equal(ours[key], theirs[key])
    clean = ours["gt_seg_map_clean"]
    assert np.array_equal(clean[:64, :64], loaded()["gt_seg_map"])
    assert (clean[64:] == 9).all()
    assert (clean[:, 64:] == 9).all()


def test_packs_both_masks():
    pack = dict(type="anl_seg.PackNoisySegInputs")
    packed = apply([corrupt(0.5), pack], loaded())["data_samples"]
    clean = packed.gt_sem_seg_clean.data
    assert (clean.dtype, tuple(clean.shape)) == (torch.int64, (1, 64, 64))
    assert torch.equal(clean[0], torch.from_numpy(loaded()["gt_seg_map"]).long())
    assert 0.45 < (packed.gt_sem_seg.data != clean).double().mean() < 0.55


def test_batches_reach_the_model_with_both_masks():
    steps = [corrupt(0.5), dict(type="anl_seg.PackNoisySegInputs")]
    sizes = [(64, 40), (48, 64)]  # (W, H)
    samples = [apply([dict(type="Resize", scale=s), *steps], loaded()) for s in sizes]
    cleans = [sample["data_samples"].gt_sem_seg_clean.data.clone() for sample in samples]
    preprocessor = MODELS.build(dict(type="anl_seg.NoisySegDataPreProcessor", size=(64, 72)))
    batch = preprocessor(pseudo_collate(samples), training=True)
    assert tuple(batch["inputs"].shape) == (2, 3, 64, 72)
    for sample, clean in zip(batch["data_samples"], cleans):
        padded, noisy = sample.gt_sem_seg_clean.data, sample.gt_sem_seg.data
        _, height, width = clean.shape
        assert padded.shape == noisy.shape == (1, 64, 72)
        assert torch.equal(padded[:, :height, :width], clean)
        assert torch.equal(padded == 255, noisy == 255)
        assert (padded == 255).sum() == 64 * 72 - height * width


def test_missing_clean_mask_is_named():
    pack = dict(type="anl_seg.PackNoisySegInputs")
    with pytest.raises(KeyError, match="set keep_clean=True in CorruptMask"):
        apply([pack], loaded())


def test_a_transform_that_leaves_the_clean_mask_behind_is_named():
    steps = [corrupt(0.5), dict(type="Pad", size=(80, 80)), dict(type="anl_seg.PackNoisySegInputs")]
    with pytest.raises(
        ValueError, match=r"clean mask has size \(64, 64\), the noisy one \(80, 80\)"
    ):
        apply(steps, loaded())


def test_resized_as_original():
    steps = [dict(type="Resize", scale=(30, 20)), dict(type="anl_seg.ResizedAsOriginal")]
    results = apply(steps, loaded())
    assert results["ori_shape"] == results["img_shape"] == (20, 30)
