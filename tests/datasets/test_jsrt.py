from __future__ import annotations

import os

import numpy as np
import pytest

from anl_seg.datasets import JSRTDataset
from anl_seg.datasets.transforms import LoadJSRTAnnotations

pytestmark = pytest.mark.usefixtures("mmseg_scope")

REAL_ROOT = os.environ.get("JSRT_ROOT")
needs_data = pytest.mark.skipif(not REAL_ROOT, reason="JSRT_ROOT names no copy of the JSRT data")

LOAD = [{"type": "LoadImageFromFile"}, {"type": "anl_seg.LoadJSRTAnnotations"}]
TRAIN = [
    *LOAD,
    {"type": "Resize", "scale": (32, 32), "keep_ratio": False},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackSegInputs"},
]
SIZE = (12, 10)


def rectangle(top: int, bottom: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom, 2:8] = 255
    return mask


@pytest.fixture
def root(tmp_path, monkeypatch, write_image):
    """A tiny copy of the layout; lung overlaps heart, heart overlaps clavicle."""
    monkeypatch.delenv("JSRT_ROOT", raising=False)
    masks = {"lung": rectangle(1, 6), "heart": rectangle(4, 9), "clavicle": rectangle(8, 11)}
    for split, count in (("train", 3), ("val", 2)):
        for i in range(count):
            name = f"JPCLN{i:03d}.png"
            write_image(tmp_path / "images" / split / name, np.full(SIZE, 40 + i, np.uint8))
            for organ, mask in masks.items():
                write_image(tmp_path / organ / split / name, mask)
    return tmp_path


def test_samples(root):
    (root / "images/train/notes.txt").write_text("not an image")
    (root / "images/train/._JPCLN000.png").write_text("left by a file manager")
    data = JSRTDataset(data_root=root)
    assert len(data) == 3
    assert len(JSRTDataset(split="val", data_root=str(root))) == 2
    info = data.get_data_info(1)
    assert info["sample_key"] == "jsrt/train/JPCLN001"
    assert info["img_path"] == str(root / "images/train/JPCLN001.png")
    assert info["seg_map_path"] == str(root / "lung/train/JPCLN001.png")
    assert list(info["mask_paths"]) == ["lung", "heart", "clavicle"]
    assert data.metainfo["classes"] == ("background", "lung", "heart", "clavicle")
    assert len(data.metainfo["palette"]) == 4


def test_root_from_the_environment(root, monkeypatch):
    monkeypatch.setenv("JSRT_ROOT", str(root))
    assert len(JSRTDataset()) == 3


def test_later_classes_win(root):
    mask = JSRTDataset(data_root=root, pipeline=LOAD)[0]["gt_seg_map"]
    assert mask.dtype == np.uint8
    assert mask[:, 4].tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 0]
    assert (mask[:, :2] == 0).all()
    assert LoadJSRTAnnotations.loads_seg_map


def test_custom_classes_are_mapped(root):
    classes = ["clavicle", "background"]
    data = JSRTDataset(data_root=root, metainfo={"classes": classes}, pipeline=LOAD)
    mask = data[0]["gt_seg_map"]
    assert mask[:, 4].tolist() == [1] + [255] * 7 + [0] * 3 + [1]


def test_training_pipeline_in_a_data_loader(root, build_loader):
    loader = build_loader(
        {"type": "anl_seg.JSRTDataset", "data_root": str(root), "pipeline": TRAIN}
    )
    samples = [sample for batch in loader for sample in batch["data_samples"]]
    assert len(samples) == 3
    assert all(tuple(s.gt_sem_seg.data.shape) == (1, 32, 32) for s in samples)


def test_mask_may_be_loaded_after_resizing(root):
    pipeline = [
        LOAD[0],
        {"type": "Resize", "scale": (20, 24)},
        LOAD[1],
        {"type": "PackSegInputs"},
    ]
    sample = JSRTDataset(split="val", data_root=root, pipeline=pipeline, test_mode=True)[0]
    assert tuple(sample["inputs"].shape) == (3, 24, 20)
    assert tuple(sample["data_samples"].gt_sem_seg.data.shape) == (1, *SIZE)


# --- errors ---


def test_wrong_arguments(root):
    with pytest.raises(ValueError, match=r"'test'.*train, val"):
        JSRTDataset(split="test", data_root=root)
    with pytest.raises(ValueError, match=r"reduce_zero_label=True"):
        JSRTDataset(data_root=root, reduce_zero_label=True)
    with pytest.raises(ValueError, match=r"data_prefix.*_delete_"):
        JSRTDataset(data_root=root, data_prefix={"img_path": "img"})


def test_root_not_given(monkeypatch):
    monkeypatch.delenv("JSRT_ROOT", raising=False)
    with pytest.raises(FileNotFoundError, match=r"data_root=.*JSRT_ROOT.*None.*not set"):
        JSRTDataset()
    assert JSRTDataset(lazy_init=True).metainfo["classes"][1] == "lung"
    monkeypatch.setenv("JSRT_ROOT", "")
    with pytest.raises(FileNotFoundError, match=r"JSRT_ROOT is ''"):
        JSRTDataset()


def test_root_lacks_the_layout(root, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*from data_root.*JSRT_ROOT"):
        JSRTDataset(data_root=tmp_path / "nowhere")
    monkeypatch.setenv("JSRT_ROOT", str(tmp_path / "images"))
    with pytest.raises(FileNotFoundError, match=r"images/train.*from JSRT_ROOT"):
        JSRTDataset()
    (root / "heart/val").rename(root / "heart/validation")
    with pytest.raises(FileNotFoundError, match=r"no folder heart/val in"):
        JSRTDataset(split="val", data_root=root)


def test_no_images(root):
    for path in (root / "images/val").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no \*\.png in .*images/val"):
        JSRTDataset(split="val", data_root=root)


def test_missing_mask(root):
    (root / "clavicle/train/JPCLN002.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"clavicle/train/JPCLN002\.png.*1 of 9"):
        JSRTDataset(data_root=root)


def test_mask_lost_after_listing(root):
    data = JSRTDataset(data_root=root, pipeline=LOAD)
    (root / "lung/train/JPCLN000.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"lung/train/JPCLN000\.png"):
        data[0]


def test_masks_of_different_size(root, write_image):
    write_image(root / "heart/train/JPCLN000.png", np.zeros((5, 10), np.uint8))
    data = JSRTDataset(data_root=root, pipeline=LOAD)
    with pytest.raises(ValueError, match=r"differ.*lung.*12 x 10.*heart.*5 x 10"):
        data[0]


def test_image_of_another_size(root, write_image):
    write_image(root / "images/train/JPCLN000.png", np.zeros((12, 11), np.uint8))
    data = JSRTDataset(data_root=root, pipeline=LOAD)
    with pytest.raises(ValueError, match=r"12 x 10.*JPCLN000.*12 x 11"):
        data[0]
    sample = data.get_data_info(0)
    with pytest.raises(ValueError, match=r"12 x 11"):
        LoadJSRTAnnotations()({**sample, "img_shape": (12, 11)})


def test_values_other_than_0_and_255(root, write_image):
    mask = rectangle(1, 6)
    mask[0, :3] = 7
    write_image(root / "clavicle/train/JPCLN000.png", mask)
    with pytest.raises(ValueError, match=r"clavicle.*JPCLN000\.png.* 7 at 3 of 120"):
        JSRTDataset(data_root=root, pipeline=LOAD)[0]


def test_loader_refuses_foreign_samples(root):
    with pytest.raises(KeyError, match=r"mask_paths.*JSRTDataset"):
        LoadJSRTAnnotations()({"seg_map_path": "x.png"})
    sample = JSRTDataset(data_root=root).get_data_info(0)
    with pytest.raises(ValueError, match=r"jsrt/train/JPCLN000.*reduce_zero_label"):
        LoadJSRTAnnotations()({**sample, "reduce_zero_label": True})


# --- the real data ---


@needs_data
@pytest.mark.parametrize(("split", "count"), [("train", 148), ("val", 24)])
def test_real_data(split, count):
    data = JSRTDataset(split=split, pipeline=LOAD)
    assert len(data) == count
    pixels = np.zeros(4)
    for sample in data:
        assert sample["gt_seg_map"].shape == sample["img"].shape[:2] == (256, 256)
        pixels += np.bincount(sample["gt_seg_map"].ravel(), minlength=4)
    assert len(pixels) == 4  # no label above 3
    areas = pixels / pixels.sum()
    np.testing.assert_allclose(areas[1:], [0.28, 0.09, 0.019], rtol=0.2)


@needs_data
def test_real_splits_are_disjoint():
    keys = [
        {os.path.basename(d["img_path"]) for d in JSRTDataset(split=split, serialize_data=False)}
        for split in ("train", "val")
    ]
    assert not keys[0] & keys[1]


@needs_data
def test_real_data_in_a_data_loader(build_loader):
    loader = build_loader(
        {"type": "anl_seg.JSRTDataset", "split": "val", "indices": 4, "pipeline": TRAIN}
    )
    labels = {
        int(v)
        for batch in loader
        for s in batch["data_samples"]
        for v in s.gt_sem_seg.data.unique()
    }
    assert labels == {0, 1, 2, 3}
