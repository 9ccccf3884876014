from __future__ import annotations

import cv2
import numpy as np
import pytest

from anl_seg.datasets import ISIC2017Dataset
from anl_seg.datasets.transforms import LoadISIC2017Annotations
from anl_seg.datasets.transforms._read_mask import read_binary_mask

pytestmark = pytest.mark.usefixtures("mmseg_scope")

LOAD = [{"type": "LoadImageFromFile"}, {"type": "anl_seg.LoadISIC2017Annotations"}]
SIZE = (12, 16)
PARTS = {"train": ("Training", 3), "val": ("Validation", 2), "test": ("Test_v2", 1)}


def lesion() -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[3:9, 4:10] = 255
    return mask


@pytest.fixture
def root(tmp_path, monkeypatch, write_image):
    """A tiny copy of the challenge's layout, with its superpixels and metadata."""
    monkeypatch.delenv("ISIC2017_ROOT", raising=False)
    for part, count in PARTS.values():
        data = tmp_path / f"ISIC-2017_{part}_Data"
        truth = tmp_path / f"ISIC-2017_{part}_Part1_GroundTruth"
        for i in range(count):
            write_image(data / f"ISIC_{i:07d}.jpg", np.full((*SIZE, 3), 90, np.uint8))
            write_image(data / f"ISIC_{i:07d}_superpixels.png", lesion())
            write_image(truth / f"ISIC_{i:07d}_segmentation.png", lesion())
        (data / f"ISIC-2017_{part}_Data_metadata.csv").write_text("image_id,age,sex\n")
    return tmp_path


def mask_path(root, index=0):
    return root / f"ISIC-2017_Training_Part1_GroundTruth/ISIC_{index:07d}_segmentation.png"


@pytest.mark.parametrize("split", list(PARTS))
def test_samples(root, split):
    part, count = PARTS[split]
    data = ISIC2017Dataset(split=split, data_root=root)
    assert len(data) == count
    info = data.get_data_info(0)
    assert info["sample_key"] == f"isic2017/{split}/ISIC_0000000"
    assert info["img_path"] == str(root / f"ISIC-2017_{part}_Data/ISIC_0000000.jpg")
    assert info["seg_map_path"].endswith(f"{part}_Part1_GroundTruth/ISIC_0000000_segmentation.png")
    assert data.metainfo["classes"] == ("background", "lesion")


def test_root_from_the_environment(root, monkeypatch):
    monkeypatch.setenv("ISIC2017_ROOT", str(root))
    assert len(ISIC2017Dataset()) == 3


def test_255_becomes_lesion(root):
    sample = ISIC2017Dataset(data_root=root, pipeline=LOAD)[0]
    np.testing.assert_array_equal(sample["gt_seg_map"], lesion() // 255)
    assert sample["gt_seg_map"].dtype == np.uint8
    assert sample["seg_fields"] == ["gt_seg_map"]
    assert LoadISIC2017Annotations.loads_seg_map


def test_custom_classes_are_mapped(root):
    metainfo = {"classes": ("lesion", "background")}
    data = ISIC2017Dataset(data_root=root, metainfo=metainfo, pipeline=LOAD)
    np.testing.assert_array_equal(data[0]["gt_seg_map"], 1 - lesion() // 255)


def test_training_pipeline_in_a_data_loader(root, build_loader):
    pipeline = [
        *LOAD,
        {"type": "Resize", "scale": (32, 24), "keep_ratio": False},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PackSegInputs"},
    ]
    loader = build_loader(
        {"type": "anl_seg.ISIC2017Dataset", "data_root": str(root), "pipeline": pipeline}
    )
    samples = [sample for batch in loader for sample in batch["data_samples"]]
    assert len(samples) == 3
    for sample in samples:
        assert sample.gt_sem_seg.data.unique().tolist() == [0, 1]
        assert tuple(sample.gt_sem_seg.data.shape) == (1, 24, 32)


# --- errors ---


def test_wrong_arguments(root):
    with pytest.raises(ValueError, match=r"'validation'.*test, train, val"):
        ISIC2017Dataset(split="validation", data_root=root)
    with pytest.raises(ValueError, match=r"reduce_zero_label=True"):
        ISIC2017Dataset(data_root=root, reduce_zero_label=True)


def test_root_missing_or_without_the_layout(root, monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data_root=.*ISIC2017_ROOT"):
        ISIC2017Dataset()
    monkeypatch.setenv("ISIC2017_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"ISIC-2017_Training_Data.*nowhere.*ISIC2017_ROOT"):
        ISIC2017Dataset()


def test_no_images(root):
    (root / "ISIC-2017_Test_v2_Data/ISIC_0000000.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"no \*\.jpg in .*Test_v2_Data"):
        ISIC2017Dataset(split="test", data_root=root)


def test_missing_mask(root):
    mask_path(root, 2).unlink()
    with pytest.raises(FileNotFoundError, match=r"ISIC_0000002_segmentation\.png.*1 of 3"):
        ISIC2017Dataset(data_root=root)


def test_image_of_another_size(root, write_image):
    write_image(mask_path(root), np.zeros((12, 12), np.uint8))
    with pytest.raises(ValueError, match=r"segmentation\.png.*12 x 12.*\.jpg.*12 x 16"):
        ISIC2017Dataset(data_root=root, pipeline=LOAD)[0]


# --- read_binary_mask, which JSRT shares ---


def test_equal_channels_are_accepted(tmp_path, write_image):
    path = write_image(tmp_path / "m.png", np.repeat(lesion()[..., None], 3, axis=2))
    np.testing.assert_array_equal(read_binary_mask(path), lesion() // 255)
    np.testing.assert_array_equal(read_binary_mask(str(path)), lesion() // 255)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, r"m\.png.*0 and 255.* 1 at 1 of 192 pixels"),
        (254, " 254 at"),
    ],
)
def test_wrong_values(tmp_path, write_image, value, words):
    mask = lesion()
    mask[0, 0] = value
    path = write_image(tmp_path / "m.png", mask)
    with pytest.raises(ValueError, match=words):
        read_binary_mask(path)


def test_many_wrong_values_are_cut_short(tmp_path, write_image):
    path = write_image(tmp_path / "m.png", np.arange(192, dtype=np.uint8).reshape(SIZE))
    with pytest.raises(ValueError, match=r"1, 2, 3, 4, 5, 6, 7, 8, \.\.\. at 191 of 192"):
        read_binary_mask(path)


def test_sixteen_bits(tmp_path, write_image):
    path = write_image(tmp_path / "m.png", lesion().astype(np.uint16) * 257)
    with pytest.raises(ValueError, match=r"65535"):
        read_binary_mask(path)


def test_wrong_channels(tmp_path, write_image):
    colours = np.repeat(lesion()[..., None], 3, axis=2)
    colours[0, 0, 1] = 255
    path = write_image(tmp_path / "colour.png", colours)
    with pytest.raises(ValueError, match=r"colour\.png.*one channel.*3 channels"):
        read_binary_mask(path)
    path = write_image(tmp_path / "alpha.png", np.repeat(lesion()[..., None], 4, axis=2))
    with pytest.raises(ValueError, match=r"4 channels"):
        read_binary_mask(path)


@pytest.mark.parametrize("damage", ["empty", "no image", "truncated"])
def test_corrupt_file(tmp_path, damage):
    whole = cv2.imencode(".png", lesion())[1].tobytes()
    data = {"empty": b"", "no image": b"text" * 20, "truncated": whole[:-20]}[damage]
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"broken\.png.*{len(data)} bytes.*decoded"):
        read_binary_mask(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_binary_mask(tmp_path / "gone.png")
