"""The clean mask follows the noisy one through mmseg's geometric transforms and packing."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from mmcv.transforms import RandomFlip as MMCVFlip
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

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


# --- transforms that do not know the clean mask ---

PACK = dict(type="anl_seg.PackNoisySegInputs")


def changing(change, *keys):
    """A user's transform: changes the maps of these names."""

    def step(results):
        for key in keys:
            results[key] = change(results[key])
        return results

    return step


def through(rate, *steps):
    init_default_scope("mmseg")
    results = apply([corrupt(rate)], loaded())
    for step in steps:
        results = step(results)
    return apply([PACK], results)["data_samples"]


def shifted(mask):
    return np.roll(mask, 5, axis=0)


@pytest.mark.parametrize("rate", [0.0, 0.4, 0.6])
@pytest.mark.parametrize(
    "step",
    [
        MMCVFlip(prob=1.0),
        MMCVFlip(prob=1.0, direction="vertical"),
        changing(shifted, "gt_seg_map"),
        changing(lambda mask: np.where(mask == 3, 2, mask), "gt_seg_map"),
        changing(lambda mask: 5 - mask, "gt_seg_map"),
    ],
    ids=["flip", "vertical flip", "shift", "merged classes", "renamed classes"],
)
def test_a_clean_mask_that_is_left_behind_is_found_at_the_first_sample(rate, step):
    with pytest.raises(
        ValueError, match=r"clean mask was left behind.*seg_fields.*mmcv's RandomFlip"
    ):
        through(rate, step)


def test_what_moves_both_masks_or_ignores_more_is_no_alarm():
    by_name = changing(shifted, "img", "gt_seg_map", "gt_seg_map_clean")
    half = changing(lambda mask: mask[::2, ::2].copy(), "gt_seg_map", "gt_seg_map_clean")
    ignoring = changing(
        lambda mask: np.where(np.indices(mask.shape)[0] < 9, 255, mask), "gt_seg_map"
    )
    for rate in (0.0, 0.4, 0.7):
        for step in (by_name, half, ignoring):
            sample = through(rate, step)
            valid = sample.gt_sem_seg.data != 255
            wrong = (sample.gt_sem_seg.data != sample.gt_sem_seg_clean.data)[valid]
            assert wrong.double().mean() == pytest.approx(rate, abs=0.05)
    for steps in GEOMETRY.values():
        apply([corrupt(0.4), *steps, PACK], loaded())


def test_mosaics_and_flips_of_mmseg_carry_the_clean_mask():
    init_default_scope("mmseg")
    inner = dict(
        type="anl_seg.SyntheticShapesDataset",
        length=4,
        pipeline=[dict(type="anl_seg.LoadSyntheticShapes"), corrupt(0.4)],
    )
    mixed = DATASETS.build(
        dict(
            type="MultiImageMixDataset",
            dataset=dict(type="ConcatDataset", datasets=[inner]),
            pipeline=[
                dict(type="RandomMosaic", prob=1.0, img_scale=(64, 64)),
                dict(type="RandomFlip", prob=0.5),
                PACK,
            ],
        )
    )
    for i in range(4):
        sample = mixed[i]["data_samples"]
        wrong = sample.gt_sem_seg.data != sample.gt_sem_seg_clean.data
        valid = sample.gt_sem_seg.data != 255
        assert wrong[valid].double().mean() == pytest.approx(0.4, abs=0.03)
