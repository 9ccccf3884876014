"""Small data sets of every kind, each with a config."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from anl_seg.corruption import corrupt_dataset, folder_source, read_manifest
from anl_seg.masks.manifest_file import manifest_text

SIZE = (40, 56)
VOC_PALETTE = [value for i in range(21) for value in (i * 12, 255 - i * 12, i * 7 % 256)]

HEAD = """
default_scope = "mmseg"
model = dict(decode_head=dict(num_classes={classes}))
load = dict(type="LoadImageFromFile")
"""
LOADER = "\ntrain_dataloader = dict(dataset={})\n"


def blobs(seed, values, size=SIZE):
    """(H, W) int64: rectangles of the given values, the first one as ground."""
    rng = np.random.RandomState(seed)
    mask = np.full(size, values[0])
    for value in values[1:]:
        top, left = rng.randint(0, size[0] - 12), rng.randint(0, size[1] - 16)
        mask[top : top + rng.randint(6, 12), left : left + rng.randint(6, 16)] = value
    return mask


def write_png(path, mask, palette=None, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask.astype(dtype))
    if palette is not None:
        image.putpalette(palette)
    image.save(path, "PNG")


def write_image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.RandomState(seed).randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), image)


def ade_data(root, count=3, start=0):
    """Labels 0 (none) to 150, in mmseg's layout."""
    for i in range(start, start + count):
        write_image(root / f"images/training/{i}.jpg", i)
        values = [0, 1, 150, *range(3 + i, 12 + i)]
        write_png(root / f"annotations/training/{i}.png", blobs(i, values))


ADE = (
    'dict(type="ADE20KDataset", data_root={root!r}, data_prefix=dict('
    'img_path="images/training", seg_map_path="annotations/training"), '
    'pipeline=[load, dict(type="LoadAnnotations", reduce_zero_label=True), '
    'dict(type="PackSegInputs")]{more})'
)


def ade(root):
    ade_data(root)
    return HEAD.format(classes=150) + LOADER.format(ADE.format(root=str(root), more=""))


def ade_subset(root):
    ade_data(root)
    more = ', metainfo=dict(classes=("sky", "wall", "tree"))'
    return HEAD.format(classes=3) + LOADER.format(ADE.format(root=str(root), more=more))


def concat(root):
    """Two folders whose samples have the same keys, wrapped and listed."""
    ade_data(root / "a")
    ade_data(root / "b", start=1)
    both = ", ".join(ADE.format(root=str(root / name), more="") for name in "ab")
    nested = f'dict(type="RepeatDataset", times=2, dataset=dict(type="ConcatDataset", datasets=[{both}]))'
    return HEAD.format(classes=150) + LOADER.format(nested)


def voc(root):
    """A palette, ignored borders, a list of names."""
    for i in range(3):
        write_image(root / f"JPEGImages/{i}.jpg", i)
        write_png(root / f"SegmentationClass/{i}.png", blobs(i, [0, 255, 5, 20, 7]), VOC_PALETTE)
    (root / "train.txt").write_text("2\n0\n")
    return HEAD.format(classes=21) + LOADER.format(
        f'dict(type="PascalVOCDataset", data_root={str(root)!r}, ann_file="train.txt", '
        'data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"), '
        'pipeline=[load, dict(type="LoadAnnotations"), dict(type="PackSegInputs")])'
    )


def plain_dataset(root, suffix, classes=4):
    return HEAD.format(classes=classes) + LOADER.format(
        f'dict(type="BaseSegDataset", data_root={str(root)!r}, seg_map_suffix={suffix!r}, '
        'metainfo=dict(classes=tuple("abcd")), '
        'data_prefix=dict(img_path="img", seg_map_path="ann"), '
        'pipeline=[load, dict(type="LoadAnnotations"), dict(type="PackSegInputs")])'
    )


def grey16(root):
    """16 bits, in folders."""
    for name in ("x/0", "x/1", "y/0"):
        write_image(root / f"img/{name}.jpg", 0)
        mask = blobs(len(name), [1, 0, 255, 3, 2])
        write_png(root / f"ann/{name}_m.png", mask, dtype=np.uint16)
    return plain_dataset(root, "_m.png")


def bmp(root):
    """Label files that are no PNG."""
    for name in ("0", "1"):
        write_image(root / f"img/{name}.jpg", 0)
        write_png(root / "mask.png", blobs(int(name), [1, 0, 255, 3, 2]))
        (root / "ann").mkdir(exist_ok=True)
        Image.open(root / "mask.png").save(root / f"ann/{name}.bmp")
    return plain_dataset(root, ".bmp")


def isic(root):
    for i in range(3):
        write_image(root / f"ISIC-2017_Training_Data/ISIC_{i}.jpg", i)
        mask = blobs(i, [0, 255])
        write_png(root / f"ISIC-2017_Training_Part1_GroundTruth/ISIC_{i}_segmentation.png", mask)
    return HEAD.format(classes=2) + LOADER.format(
        f'dict(type="anl_seg.ISIC2017Dataset", data_root={str(root)!r}, '
        'pipeline=[load, dict(type="anl_seg.LoadISIC2017Annotations"), dict(type="PackSegInputs")])'
    )


def jsrt(root):
    for name in ("A", "B"):
        write_image(root / f"images/train/{name}.png", 0)
        for i, organ in enumerate(("lung", "heart", "clavicle")):
            write_png(root / f"{organ}/train/{name}.png", blobs(i + ord(name), [0, 255]))
    return HEAD.format(classes=4) + LOADER.format(
        f'dict(type="anl_seg.JSRTDataset", data_root={str(root)!r}, '
        'pipeline=[load, dict(type="anl_seg.LoadJSRTAnnotations"), dict(type="PackSegInputs")])'
    )


def synthetic(root):
    return HEAD.format(classes=6) + LOADER.format(
        'dict(type="anl_seg.SyntheticShapesDataset", length=3, '
        'pipeline=[dict(type="anl_seg.LoadSyntheticShapes"), dict(type="PackSegInputs")])'
    )


def noisy_config(root):
    """A config that corrupts the masks itself, with settings of its own."""
    text = voc(root)
    corrupt = (
        'dict(type="anl_seg.CorruptMask", noise=dict(type="PairNoise", rate=0.3), seed=7, '
        "num_classes=21, keep_clean=True, key_parts=1)"
    )
    return text.replace('dict(type="PackSegInputs")', f'{corrupt}, dict(type="PackSegInputs")')


KINDS = {
    kind.__name__: kind
    for kind in (
        ade,
        ade_subset,
        concat,
        voc,
        grey16,
        bmp,
        isic,
        jsrt,
        synthetic,
        noisy_config,
    )
}


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """mmengine collects garbage for a quarter of a second in every data set that it builds."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


@pytest.fixture
def make_config(tmp_path):
    """Writes a data set by the name of its kind, and returns the path of its config."""

    def make(kind):
        root = tmp_path / "data"
        root.mkdir()
        path = tmp_path / f"{kind}.py"
        path.write_text(KINDS[kind](root))
        return str(path)

    return make


@pytest.fixture
def masks_dir(tmp_path):
    """Three PNG masks of four classes, one of them in a folder, one with a palette."""
    folder = tmp_path / "masks"
    for i, name in enumerate(("b.png", "a.png", "more/a.png")):
        mask = blobs(i, [0, 255, 1, 2, 3])
        write_png(folder / name, mask, [0, 0, 0, 9, 8, 7, 6, 5, 4, 1, 2, 3] if i == 2 else None)
    (folder / ".hidden.png").write_bytes(b"no mask")
    (folder / "notes.txt").write_text("no mask")
    return folder


@pytest.fixture
def silent():
    """A console that shows nothing."""
    return Console(file=io.StringIO())


@pytest.fixture
def files_of():
    """The bytes of all files below a folder, by name."""

    def read(folder):
        folder = Path(folder)
        paths = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    return read


@pytest.fixture
def out(masks_dir, tmp_path, silent):
    """A corrupted folder, its source beside."""
    folder = tmp_path / "out"
    noise = dict(type="SymmetricNoise", rate=0.4)
    corrupt_dataset(folder_source(masks_dir, num_classes=4), noise, folder, console=silent)
    return folder


@pytest.fixture
def rewritten():
    """Changes a manifest as someone would who also puts the checksum right."""

    def rewrite(folder, change):
        content, _ = read_manifest(folder / "manifest.json")
        change(content)
        (folder / "manifest.json").write_text(manifest_text(content))

    return rewrite
