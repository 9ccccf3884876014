"""CorruptMask: the same sample gets the same mask everywhere, and wrong samples are named."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, TRANSFORMS

NOISES = {
    "symmetric": dict(type="SymmetricNoise", rate=0.4),
    "alpha_beta": dict(type="AlphaBetaNoise", alpha=0.7, beta=0.5),
}


def dataset_config(noise, length=12, seed=0):
    init_default_scope("mmseg")
    return dict(
        type="anl_seg.SyntheticShapesDataset",
        length=length,
        pipeline=[
            dict(type="anl_seg.LoadSyntheticShapes"),
            dict(type="anl_seg.CorruptMask", noise=noise, seed=seed, num_classes=6),
            dict(type="PackSegInputs", meta_keys=("img_path",)),
        ],
    )


def masks_of(noise, workers=0, epochs=1):
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=workers,
            dataset=dataset_config(noise),
            sampler=dict(type="DefaultSampler", shuffle=True, round_up=False),
        ),
        seed=5,
    )
    found = {}
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)  # another order
        for batch in loader:
            for sample in batch["data_samples"]:
                mask = sample.gt_sem_seg.data.numpy()
                known = found.setdefault(sample.img_path, mask)
                assert np.array_equal(known, mask)
    return found


def masks_from_the_middle(noise):
    """What a run resumed in a fresh process sees: it begins with sample 7."""
    dataset = DATASETS.build(dataset_config(noise))
    samples = [dataset[i % 12]["data_samples"] for i in range(7, 19)]
    return {sample.img_path: sample.gt_sem_seg.data.numpy() for sample in samples}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.fixture(params=NOISES)
def noise(request):
    return NOISES[request.param]


def test_same_masks_with_any_workers_and_in_every_epoch(noise):
    torch.manual_seed(0)
    np.random.seed(0)
    reference = masks_of(noise, epochs=2)
    assert len(reference) == 12
    torch.manual_seed(1)
    np.random.seed(1)
    for workers in (1, 4):
        assert same(masks_of(noise, workers, epochs=2), reference)


def run_ranks(noise_name, folder, world):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, noise_name, str(rank), str(world), port, str(folder)]
        )
        for rank in range(world)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0] * world
    return [dict(np.load(folder / f"{world}-{rank}.npz")) for rank in range(world)]


@pytest.mark.process
@pytest.mark.parametrize("noise_name", NOISES)
def test_same_masks_in_a_resumed_process_and_on_two_ranks(noise_name, tmp_path):
    reference = masks_of(NOISES[noise_name])
    (resumed,) = run_ranks(noise_name, tmp_path, 1)
    assert same(resumed, reference)
    first, second = run_ranks(noise_name, tmp_path, 2)
    assert not first.keys() & second.keys()
    assert len(first) == len(second) == 6
    assert same({**first, **second}, reference)


def test_another_seed_gives_other_masks():
    one, other = (
        DATASETS.build(dataset_config(NOISES["symmetric"], seed=seed))[0]["data_samples"]
        for seed in (0, 1)
    )
    assert not torch.equal(one.gt_sem_seg.data, other.gt_sem_seg.data)


@pytest.mark.parametrize(
    "noise", [dict(type="SymmetricNoise", rate=0.4), dict(type="PairNoise", rate=0.3)]
)
def test_realised_rate_is_within_one_percent_on_the_synthetic_set(noise):
    config = dataset_config(noise, length=100)
    config["pipeline"][1]["keep_clean"] = True
    config["pipeline"].pop()
    dataset = DATASETS.build(config)
    pairs = [(s["gt_seg_map_clean"], s["gt_seg_map"]) for s in map(dataset.__getitem__, range(100))]
    changed = sum(int((a != b).sum()) for a, b in pairs)
    valid = sum(int((a != 255).sum()) for a, _ in pairs)
    assert valid == 100 * 64 * 64
    assert changed / valid == pytest.approx(noise["rate"], abs=0.01)


# --- one sample ---------------------------------------------------------------------------------


def corrupt_mask(**options):
    defaults = dict(noise=NOISES["symmetric"], num_classes=3)
    return TRANSFORMS.build(dict(type="anl_seg.CorruptMask", **{**defaults, **options}))


def sample(path="root/masks/a.png", mask=None, **more):
    mask = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3 if mask is None else mask
    image = np.zeros((*mask.shape, 3), dtype=np.uint8)
    return dict(img=image, seg_map_path=path, gt_seg_map=mask, seg_fields=["gt_seg_map"], **more)


def noisy(path="root/masks/a.png", **more):
    return corrupt_mask()(sample(path, **more))["gt_seg_map"]


def test_key_depends_on_the_last_parts_of_the_path_only():
    reference = noisy()
    assert np.array_equal(noisy("/elsewhere/data/masks/a.png"), reference)
    assert np.array_equal(noisy("D:\\data\\masks\\a.png"), reference)
    assert not np.array_equal(noisy("root/masks/b.png"), reference)
    assert not np.array_equal(noisy("root/others/a.png"), reference)
    keyed = noisy("x/y.png", sample_key="masks/a.png")
    assert np.array_equal(keyed, reference)
    longer = corrupt_mask(key_parts=3)
    one, other = (longer(sample(f"{root}/masks/a.png"))["gt_seg_map"] for root in ("r", "s"))
    assert not np.array_equal(one, other)


def test_ignored_pixels_input_dtype_and_shape_stay():
    mask = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3
    mask[::2] = 255
    before = mask.copy()
    results = corrupt_mask(noise=dict(type="SymmetricNoise", rate=1.0), keep_clean=True)(
        sample(mask=mask)
    )
    out = results["gt_seg_map"]
    assert np.array_equal(mask, before)
    assert (out.dtype, out.shape) == (mask.dtype, mask.shape)
    assert ((out == 255) == (mask == 255)).all()
    assert (out != mask)[mask != 255].all()
    assert np.array_equal(results["gt_seg_map_clean"], before)
    assert results["seg_fields"] == ["gt_seg_map", "gt_seg_map_clean", "gt_seg_map_witness"]
    assert np.array_equal(results["gt_seg_map_witness"], out)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (dict(mask_noise="PairNoise"), ValueError, "already carries PairNoise"),
        (dict(seg_map_path=None), KeyError, "needs 'sample_key' or 'seg_map_path'"),
        (
            dict(gt_seg_map=np.full((6, 8), 7, np.uint8)),
            ValueError,
            r"found 7 in root/masks/a\.png; allowed are 0 to 2 and ignore_index=255",
        ),
        (
            dict(gt_seg_map=np.full((6, 8), -2, np.int64)),
            ValueError,
            r"found -2 in root/masks/a\.png",
        ),
        (
            dict(img=np.zeros((5, 8, 3), np.uint8)),
            ValueError,
            r"mask of size \(6, 8\) \(H, W\) for an image of size \(5, 8\): root/masks/a\.png",
        ),
        (
            dict(gt_seg_map=np.zeros((6, 8, 3), np.uint8)),
            ValueError,
            r"got uint8 of shape \(6, 8, 3\) \(a colour picture\?\): root/masks/a\.png",
        ),
        (
            dict(gt_seg_map=np.zeros((6, 8), np.float32)),
            ValueError,
            r"must be integers .*got float32 of shape \(6, 8\).*root/masks/a\.png",
        ),
    ],
)
def test_wrong_samples_are_named(change, error, text):
    with pytest.raises(error, match=text):
        corrupt_mask()({**sample(), **change})


def test_missing_map_and_second_corruption_are_named():
    incomplete = sample()
    del incomplete["gt_seg_map"]
    with pytest.raises(KeyError, match="right after LoadAnnotations"):
        corrupt_mask()(incomplete)
    with pytest.raises(ValueError, match="may corrupt it only once"):
        corrupt_mask()(corrupt_mask()(sample()))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (dict(num_classes=1), "num_classes must be an integer of at least 2, got 1"),
        (dict(num_classes=3.0), "num_classes must be an integer"),
        (dict(seed="a"), "seed must be an integer of at least 0, got 'a'"),
        (dict(seed=-1), "seed must be an integer of at least 0, got -1"),
        (dict(key_parts=0), "key_parts must be an integer of at least 1, got 0"),
        (dict(noise=dict(type="SymmetricNoise", rate=1.1)), "1.1"),
        (dict(noise=dict(type="Symmetric", rate=0.1)), "Did you mean SymmetricNoise"),
        (dict(noise=dict(type="TransitionMatrixNoise", matrix=[[0.5, 0.4], [0, 1]])), "0.9"),
    ],
)
def test_wrong_parameters_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        corrupt_mask(**options)


def test_matrix_of_the_wrong_size_is_named():
    corrupt = corrupt_mask(noise=dict(type="TransitionMatrixNoise", matrix=[[1, 0], [0, 1]]))
    with pytest.raises(ValueError, match=r"2.*3"):
        corrupt(sample())


def test_behind_mmsegs_loader_with_reduced_zero_label(tmp_path):
    init_default_scope("mmseg")
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.arange(16, dtype=np.uint8).reshape(4, 4) % 4)
    load = TRANSFORMS.build(dict(type="LoadAnnotations"))
    info = dict(seg_map_path=str(path), label_map=None, reduce_zero_label=True, seg_fields=[])
    clean = load(dict(info, seg_fields=[]))["gt_seg_map"]
    out = corrupt_mask(noise=dict(type="PairNoise", rate=1.0))(load(info))["gt_seg_map"]
    assert set(np.unique(clean)) == {0, 1, 2, 255}
    assert np.array_equal(out, np.where(clean == 255, 255, (clean.astype(int) + 1) % 3))


def test_behind_a_resized_image_as_in_mmsegs_test_pipelines(tmp_path):
    init_default_scope("mmseg")
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((6, 8, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "mask.png"), np.arange(48, dtype=np.uint8).reshape(6, 8) % 3)
    steps = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(16, 12)),
        dict(type="LoadAnnotations"),
    ]
    info = dict(img_path=str(tmp_path / "image.png"), seg_map_path=str(tmp_path / "mask.png"))
    results = dict(info, label_map=None, reduce_zero_label=False, seg_fields=[])
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    clean = results["gt_seg_map"].copy()
    with pytest.raises(
        ValueError, match=r"InstanceDependentNoise .* put Resize behind CorruptMask"
    ):
        corrupt_mask(noise=dict(type="InstanceDependentNoise", rate=0.4))(dict(results))
    out = corrupt_mask(noise=dict(type="PairNoise", rate=1.0))(results)["gt_seg_map"]
    assert np.array_equal(out, (clean + 1) % 3)


@pytest.mark.parametrize(
    "noise",
    [
        dict(type="InstanceDependentNoise", rate=0.4),
        dict(type="SuperpixelNoise", n_segments=30),
        dict(type="RandomChoiceNoise", noises=[dict(type="InstanceDependentNoise", rate=0.4)]),
    ],
    ids=lambda noise: noise["type"],
)
def test_noise_that_looks_at_the_image_sees_floats_from_0_to_1_and_no_normalised_ones(noise):
    rng = np.random.RandomState(0)
    image = cv2.resize(rng.randint(0, 256, (6, 5, 3)).astype(np.uint8), (40, 48))
    mask = cv2.resize(rng.randint(0, 3, (6, 5)).astype(np.uint8), (40, 48), interpolation=0)
    corrupt = corrupt_mask(noise=noise)
    black, found, expected = (
        corrupt({**sample(mask=mask), "img": img})["gt_seg_map"]
        for img in (image * 0, (image / 255).astype(np.float32), image)
    )
    assert np.array_equal(found, expected)
    assert not np.array_equal(black, expected)
    normalised = dict(sample(mask=mask), img=(image / 90).astype(np.float32), img_norm_cfg={})
    with pytest.raises(ValueError, match=r"normalised: put Normalize behind CorruptMask.*a\.png"):
        corrupt(normalised)
    corrupt_mask()(normalised)  # does not look


def worker(noise_name, rank, world, port, folder):
    import torch.distributed as dist

    if world > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        dist.init_process_group("gloo", rank=rank, world_size=world)
    masks = masks_of if world > 1 else masks_from_the_middle
    np.savez(Path(folder) / f"{world}-{rank}.npz", **masks(NOISES[noise_name]))
    if world > 1:
        dist.barrier()
        os._exit(0)  # tearing a gloo group down can hang


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])


@pytest.mark.parametrize(
    "noise",
    [
        dict(type="InstanceDependentNoise", rate=0.4),
        dict(type="SuperpixelNoise", n_segments=30),
        dict(type="coco_n", level="hard"),
        dict(type="omission", level="severe"),
        dict(type="nsegment"),
        dict(type="markov_isic_i1"),
    ],
    ids=lambda noise: noise["type"],
)
def test_presets_and_noise_that_looks_at_the_image(noise):
    masks = masks_of(noise)
    clean = masks_of(dict(type="SymmetricNoise", rate=0))
    changed = [np.mean(masks[path] != clean[path]) for path in clean]
    assert 0 < np.mean(changed) < 0.6
    again = masks_of(noise, workers=2)
    assert all(np.array_equal(masks[path], again[path]) for path in masks)
