"""The samples of configs and folders, their keys, and what is said about wrong ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from anl_seg.config import load_config
from anl_seg.corruption import config_source, folder_source

EVERY_KIND = [
    "ade",
    "ade_subset",
    "concat",
    "voc",
    "grey16",
    "bmp",
    "isic",
    "jsrt",
    "synthetic",
    "noisy_config",
]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_samples_are_those_of_the_pipeline(make_config, kind):
    path = make_config(kind)
    source = config_source(path)
    cfg = load_config(path).train_dataloader.dataset
    leaves = [cfg] if kind != "concat" else cfg.dataset.datasets
    expected = []
    for leaf in leaves:
        loader = 1 if kind == "synthetic" else 2
        leaf.pipeline = leaf.pipeline[:loader]
        with DefaultScope.overwrite_default_scope("mmseg"):
            dataset = DATASETS.build(leaf)
        expected += [dataset[i] for i in range(len(dataset))]
    assert len(source) == len(expected) > 0
    for index, results in enumerate(expected):
        for with_image in (False, True):
            sample = pickle.loads(pickle.dumps(source)).sample(index, with_image)
            assert np.array_equal(sample.mask, results["gt_seg_map"])
            assert sample.mask.dtype == results["gt_seg_map"].dtype
            assert sample.key == source.key(index)
            if with_image:
                assert np.array_equal(sample.image, results["img"])
            else:
                assert sample.image is None
        files = [results["seg_map_path"], results["img_path"]]
        drawn = kind == "synthetic"
        assert [sample.mask_path, sample.image_path] == ([None, None] if drawn else files)


def test_keys_classes_and_places(make_config):
    source = config_source(make_config("concat"))
    assert [source.key(i) for i in (0, 2, 3)] == [
        "training/0.png",
        "training/2.png",
        "training/1.png",
    ]
    assert [part.place for part in source.parts] == [
        "train_dataloader.dataset.dataset.datasets.0",
        "train_dataloader.dataset.dataset.datasets.1",
    ]
    assert source.num_classes == len(source.class_names) == len(source.palette) == 150
    assert source.locate(4) == (1, 1)
    with pytest.raises(IndexError, match="sample 6 of 6"):
        source.sample(6)


def test_corruption_of_the_config_is_known(make_config):
    source = config_source(make_config("noisy_config"))
    assert source.corruption == {
        "noise": {"type": "PairNoise", "rate": 0.3},
        "num_classes": 21,
        "seed": 7,
        "ignore_index": 255,
        "key_parts": 1,
    }
    assert source.key(0) == "2.png"


def test_only_the_corrupted_data_sets_of_a_config_are_taken(make_config):
    cfg = load_config(make_config("concat"))
    leaf = cfg.train_dataloader.dataset.dataset.datasets[1]
    noise = dict(type="PairNoise", rate=0.1)
    leaf.pipeline.insert(2, dict(type="anl_seg.CorruptMask", noise=noise, num_classes=150))
    source = config_source(cfg)
    assert [part.place[-1] for part in source.parts] == ["1"]
    other = cfg.train_dataloader.dataset.dataset.datasets[0]
    other.pipeline.insert(2, dict(leaf.pipeline[2], seed=1))
    with pytest.raises(ValueError, match="corrupted differently"):
        config_source(cfg)


def test_image_has_the_size_of_a_mask_that_is_loaded_after_resizing(make_config):
    cfg = load_config(make_config("ade"))
    cfg.train_dataloader.dataset.pipeline.insert(1, dict(type="Resize", scale=(20, 20)))
    sample = config_source(cfg).sample(0, with_image=True)
    assert sample.image.shape[:2] == sample.mask.shape == (40, 56)


def test_options_and_given_numbers_win(make_config, tmp_path):
    path = make_config("grey16")
    source = config_source(path, num_classes=9, ignore_index=77)
    assert (source.num_classes, source.ignore_index) == (9, 77)
    assert source.class_names is source.palette is None  # those of four classes
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        config_source(path, cfg_options={"train_dataloader.dataset.data_root": "elsewhere"})


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (dict(val=True), ValueError, "the config has no val_dataloader"),
        (dict(pipeline=[dict(type="LoadImageFromFile")]), ValueError, "loads annotations"),
        (dict(model=dict()), ValueError, "heads name no num_classes"),
        (dict(data_root="elsewhere"), FileNotFoundError, "elsewhere"),
        (
            dict(
                pipeline=[
                    dict(type="LoadAnnotations"),
                    dict(type="RandomFlip", prob=0.5),
                    dict(type="anl_seg.CorruptMask", noise=dict(type="PairNoise", rate=1)),
                ]
            ),
            ValueError,
            r"must stand right behind LoadAnnotations.*stands behind RandomFlip",
        ),
    ],
)
def test_wrong_configs_are_named(make_config, change, error, text):
    cfg = load_config(make_config("voc"))
    if "model" in change:
        cfg.model = {}
    for key in {"pipeline", "data_root"} & change.keys():
        cfg.train_dataloader.dataset[key] = change[key]
    with pytest.raises(error, match=text):
        config_source(cfg, "val" if "val" in change else "train")


# --- folders ------------------------------------------------------------------------------------


def test_folder_is_sorted_recursive_and_keyed_by_path(masks_dir, monkeypatch):
    source = folder_source(masks_dir, num_classes=4)
    assert [source.key(i) for i in range(len(source))] == [
        "masks/a.png",
        "masks/b.png",
        "more/a.png",
    ]
    monkeypatch.chdir(masks_dir)
    assert folder_source(".", num_classes=4).key(0) == "masks/a.png"


def test_folder_of_a_linked_folder_ends(masks_dir):
    (masks_dir / "more" / "loop").symlink_to(masks_dir)
    assert len(folder_source(masks_dir, num_classes=4)) == 3


def test_images_lie_as_the_masks_do(masks_dir, tmp_path):
    image = np.random.RandomState(0).randint(0, 256, (40, 56, 3)).astype(np.uint8)
    for name in ("a.jpeg", "b.png", "more/a.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    source = folder_source(masks_dir, tmp_path / "images", num_classes=4)
    assert np.array_equal(source.sample(1, True).image, image)
    assert Path(source.sample(0, True).image_path).name == "a.jpeg"
    only_png = folder_source(masks_dir, tmp_path / "images", num_classes=4, image_suffix=".png")
    with pytest.raises(FileNotFoundError, match=r"no image for mask '.*a\.png'.*ending in \.png"):
        only_png.sample(0, with_image=True)
    with pytest.raises(ValueError, match="--images"):
        folder_source(masks_dir, num_classes=4).sample(0, with_image=True)
    (tmp_path / "images" / "b.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="cannot be decoded"):
        source.sample(1, with_image=True)


def test_wrong_folders_are_named(masks_dir, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder '.*nowhere'"):
        folder_source(tmp_path / "nowhere", num_classes=4)
    with pytest.raises(FileNotFoundError, match=r"no \*\.gif in"):
        folder_source(masks_dir, num_classes=4, mask_suffix=".gif")
    with pytest.raises(ValueError, match="num_classes must be an integer of at least 2, got 1"):
        folder_source(masks_dir, num_classes=1)
