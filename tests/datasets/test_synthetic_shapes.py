from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from mmseg.registry import DATASETS

from anl_seg.datasets import SyntheticShapesDataset
from anl_seg.datasets._shapes import CLASSES, draw_sample
from anl_seg.datasets.transforms import LoadSyntheticShapes
from tests.surroundings import count_calls

pytestmark = pytest.mark.usefixtures("mmseg_scope")

LOAD = {"type": "anl_seg.LoadSyntheticShapes"}


def config(**changes) -> dict:
    return {
        "type": "anl_seg.SyntheticShapesDataset",
        "length": 6,
        "pipeline": [LOAD, {"type": "PackSegInputs"}],
        **changes,
    }


def digest(array: np.ndarray) -> str:
    return hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()


def shares(count: int, size=(64, 64)) -> tuple[np.ndarray, np.ndarray]:
    """Share of the pixels of each class, and of the samples that hold it."""
    pixels = np.stack(
        [
            np.bincount(draw_sample(0, "train", i, size)[1].ravel(), minlength=len(CLASSES))
            for i in range(count)
        ]
    )
    return pixels.sum(0) / pixels.sum(), (pixels > 0).mean(0)


# --- the generator ---


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ((0, "train", 0, (64, 64)), "e8af1a6d29abd1754450618661ef0627"),
        ((3, "val", 7, (48, 80)), "2b5d3dfead38ff86f062242b097d618d"),
    ],
)
def test_masks_never_change(request_, expected):
    assert digest(draw_sample(*request_)[1]) == expected


def test_sample_has_the_stated_types():
    image, mask = draw_sample(0, "val", 3, (40, 72))
    assert image.shape == (40, 72, 3)
    assert mask.shape == (40, 72)
    assert image.dtype == mask.dtype == np.uint8
    assert mask.max() < len(CLASSES)
    assert image.std() > 5


def test_sample_depends_on_its_identity_only():
    forwards = [draw_sample(1, "train", i) for i in range(5)]
    np.random.seed(7)
    backwards = [draw_sample(1, "train", i) for i in reversed(range(5))][::-1]
    for (image, mask), (image_2, mask_2) in zip(forwards, backwards):
        np.testing.assert_array_equal(image, image_2)
        np.testing.assert_array_equal(mask, mask_2)


def test_global_generator_is_left_alone():
    np.random.seed(3)
    expected = np.random.random_sample()
    np.random.seed(3)
    draw_sample(0, "train", 0)
    assert np.random.random_sample() == expected


@pytest.mark.process
def test_another_process_draws_the_same_through_mmseg_registries_alone():
    program = """
import hashlib, json, sys
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
init_default_scope("mmseg")
data = DATASETS.build(json.loads(sys.argv[1]))
print(hashlib.blake2b(data[4]["img"].tobytes(), digest_size=16).hexdigest())
print(hashlib.blake2b(data[4]["gt_seg_map"].tobytes(), digest_size=16).hexdigest())
"""
    arguments = json.dumps(config(seed=5, pipeline=[LOAD]))
    done = subprocess.run(
        [sys.executable, "-c", program, arguments], capture_output=True, text=True, check=True
    )
    image, mask = draw_sample(5, "train", 4)
    assert done.stdout.split()[-2:] == [digest(image), digest(mask)]


def test_splits_and_seeds_and_indices_are_disjoint():
    requests = [
        (seed, split, index)
        for seed in (0, 1)
        for split in ("train", "val", "test")
        for index in range(30)
    ]
    images, masks = zip(*(draw_sample(*request) for request in requests))
    assert len({digest(mask) for mask in masks}) == len(requests)
    assert len({digest(image) for image in images}) == len(requests)


@pytest.mark.parametrize("size", [(64, 64), (48, 96)])
def test_class_frequencies_are_clearly_unequal(size):
    pixels, samples = shares(250, size)
    expected = [0.63, 0.171, 0.086, 0.050, 0.038, 0.023]
    np.testing.assert_allclose(pixels, expected, rtol=0.25)
    assert (pixels[:-1] > 1.2 * pixels[1:]).all()
    assert (samples > 0.6).all()


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (200, 64)])
def test_objects_scale_with_the_image(size):
    pixels, _ = shares(60, size)
    assert (pixels > 0.005).all()


@pytest.mark.parametrize("size", [(64, 64), (256, 256)])
def test_drawing_calls_few_functions_whatever_the_size(size):
    for index in range(20):
        assert count_calls(lambda index=index: draw_sample(0, "train", index, size)) < 800


# --- the data set ---


def test_samples_carry_key_and_pseudo_paths():
    data = SyntheticShapesDataset(length=3, split="val", seed=9, size=[32, 48])
    assert len(data) == 3
    info = data.get_data_info(2)
    assert info["sample_key"] == "synthetic_shapes/val/9/2"
    assert info["img_path"] == info["seg_map_path"] == "synthetic_shapes/val/9/2.png"
    assert (info["split"], info["seed"], info["index"]) == ("val", 9, 2)
    assert tuple(info["size"]) == (32, 48)
    assert info["label_map"] is None
    assert info["reduce_zero_label"] is False
    assert info["seg_fields"] == []
    assert len(data.metainfo["palette"]) == len(data.metainfo["classes"]) == 6


def test_loader_sets_image_and_mask():
    data = SyntheticShapesDataset(length=2, pipeline=[LOAD])
    sample = data[1]
    image, mask = draw_sample(0, "train", 1)
    np.testing.assert_array_equal(sample["img"], image)
    np.testing.assert_array_equal(sample["gt_seg_map"], mask)
    assert sample["img_shape"] == sample["ori_shape"] == (64, 64)
    assert sample["seg_fields"] == ["gt_seg_map"]
    assert LoadSyntheticShapes.loads_seg_map
    assert data[1]["seg_fields"] == ["gt_seg_map"]


def test_nothing_is_written_or_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = SyntheticShapesDataset(length=2, pipeline=[LOAD, {"type": "PackSegInputs"}])
    assert all(data[i] is not None for i in range(2))
    assert list(tmp_path.iterdir()) == []


def test_training_pipeline_in_a_data_loader(build_loader):
    pipeline = [
        LOAD,
        {"type": "Resize", "scale": (48, 32), "keep_ratio": False},
        {"type": "RandomFlip", "prob": 1.0},
        {"type": "PackSegInputs"},
    ]
    batches = list(build_loader(config(pipeline=pipeline)))
    assert len(batches) == 3
    for batch in batches:
        assert [tuple(image.shape) for image in batch["inputs"]] == [(3, 32, 48)] * 2
        for sample in batch["data_samples"]:
            assert tuple(sample.gt_sem_seg.data.shape) == (1, 32, 48)
            assert sample.flip
            assert sample.ori_shape == (64, 64)


def test_data_loader_keeps_the_samples(build_loader):
    samples = [s for batch in build_loader(config()) for s in batch["data_samples"]]
    for index, sample in enumerate(samples):
        expected = draw_sample(0, "train", index)[1]
        np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), expected)


def test_concatenated_and_repeated(build_loader):
    parts = [config(length=2), config(length=1, split="test")]
    dataset = {
        "type": "RepeatDataset",
        "times": 2,
        "dataset": {"type": "ConcatDataset", "datasets": parts},
    }
    paths = [s.img_path for batch in build_loader(dataset) for s in batch["data_samples"]]
    once = [f"synthetic_shapes/{name}.png" for name in ("train/0/0", "train/0/1", "test/0/0")]
    assert paths == once * 2


@pytest.mark.parametrize("serialize_data", [True, False])
@pytest.mark.parametrize(("indices", "expected"), [(2, [0, 1]), ([4, 1], [4, 1])])
def test_indices_and_test_mode(indices, expected, serialize_data):
    data = DATASETS.build(config(indices=indices, serialize_data=serialize_data, test_mode=True))
    assert [data.get_data_info(i)["index"] for i in range(len(data))] == expected
    mask = data[1]["data_samples"].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(mask, draw_sample(0, "train", expected[1])[1])


def test_custom_classes_are_mapped():
    classes = ("disc", "background", "ring")
    data = SyntheticShapesDataset(length=1, metainfo={"classes": classes}, pipeline=[LOAD])
    old, new = draw_sample(0, "train", 0)[1], data[0]["gt_seg_map"]
    assert new.dtype == np.uint8
    for label, name in enumerate(CLASSES):
        expected = classes.index(name) if name in classes else 255
        assert (new[old == label] == expected).all()


# --- errors ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "training"}, "training.*train.*test, train, val"),
        ({"length": 0}, "length.*0"),
        ({"length": 2.5}, "length.*2.5"),
        ({"seed": -1}, "seed.*-1"),
        ({"size": 64}, "size.*64"),
        ({"size": (8, 64)}, r"size.*16.*4096.*\(8, 64\)"),
        ({"size": (64, 64.0)}, "size.*64.0"),
        ({"reduce_zero_label": True}, "reduce_zero_label=True.*background"),
        ({"data_root": "data"}, "no files.*data_root"),
        ({"ann_file": "a.txt"}, "ann_file.*no effect"),
    ],
)
def test_wrong_arguments(changes, words):
    with pytest.raises(ValueError, match=words):
        SyntheticShapesDataset(**changes)


def test_wrong_requests():
    with pytest.raises(ValueError, match=r"split.*'dev'"):
        draw_sample(0, "dev", 0)
    with pytest.raises(ValueError, match=r"index.*True"):
        draw_sample(0, "val", True)


def test_loader_refuses_foreign_samples():
    with pytest.raises(KeyError, match=r"seed, index.*SyntheticShapesDataset"):
        LoadSyntheticShapes()({"split": "val", "size": (64, 64)})
    sample = SyntheticShapesDataset(length=1).get_data_info(0)
    with pytest.raises(ValueError, match=r"synthetic_shapes/train/0/0.*reduce_zero_label"):
        LoadSyntheticShapes()({**sample, "reduce_zero_label": True})
