"""Files that are not what their names say: each is named, and nobody waits or asks for memory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest

from anl_seg.browse.comparison import compare_sample
from anl_seg.corruption import Sample, config_source, corrupt_dataset, folder_source
from anl_seg.datasets.transforms.corrupt_mask import CorruptMask
from anl_seg.masks.png import read_mask_png
from anl_seg.noise import SymmetricNoise, noise_statistics
from anl_seg.noise.estimate_transition_matrix import TransitionCounts

NOISE = dict(type="SymmetricNoise", rate=0.4)


@pytest.fixture(autouse=True)
def no_waiting():
    """Whoever opens a pipe waits forever: this ends it."""

    def ring(number, frame):
        raise TimeoutError("waited for a file")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path may be no longer than 108 bytes
        listener.bind(path.name)
        os.chdir(here)


KINDS = {
    "a named pipe": (os.mkfifo, ValueError, r"is no regular file but a named pipe \(FIFO\)"),
    "a socket": (make_socket, ValueError, "is no regular file but a socket"),
    "a device": (
        lambda path: path.symlink_to("/dev/null"),
        ValueError,
        "is no regular file but a device",
    ),
    "a link to nothing": (
        lambda path: path.symlink_to("nowhere.png"),
        FileNotFoundError,
        "is a link to 'nowhere.png', which does not exist",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_named_before_any_work(masks_dir, make_config, tmp_path, kind):
    make, error, text = KINDS[kind]
    make(masks_dir / "x.png")
    with pytest.raises(error, match=rf"mask file '.*x\.png' {text}"):
        folder_source(masks_dir, num_classes=4)
    with pytest.raises(error, match=rf"mask file '.*x\.png' {text}"):
        read_mask_png(masks_dir / "x.png")
    config = make_config("ade")
    path = tmp_path / "data/annotations/training/0.png"
    path.unlink()
    make(path)
    with pytest.raises(error, match=rf"of train_dataloader\.dataset the file '.*0\.png' {text}"):
        config_source(config)


def test_a_folder_named_like_a_mask_is_a_folder(masks_dir):
    (masks_dir / "x.png").mkdir()
    shutil.move(masks_dir / "b.png", masks_dir / "x.png" / "b.png")
    source = folder_source(masks_dir, num_classes=4)
    assert source.parts[0].relative_names() == ["a.png", "more/a.png", "x.png/b.png"]


def png_of_size(width, height):
    """A PNG of a few bytes that claims a size."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_a_file_that_claims_to_be_huge_is_named(masks_dir, make_config, tmp_path, silent):
    bomb = png_of_size(60_000, 60_000)
    (masks_dir / "x.png").write_bytes(bomb)
    source = folder_source(masks_dir, num_classes=4)
    with pytest.raises(
        ValueError, match=r"sample 'more/a|sample 'masks/x\.png': .*x\.png.*3600000000"
    ):
        corrupt_dataset(source, NOISE, tmp_path / "out", console=silent)
    config = make_config("ade")
    (tmp_path / "data/annotations/training/1.png").write_bytes(bomb)
    with pytest.raises(ValueError, match=r"LoadAnnotations cannot load .*1\.png'"):
        corrupt_dataset(config_source(config), NOISE, tmp_path / "other", console=silent)


@pytest.mark.parametrize("data", [b"", b"no picture at all", png_of_size(8, 8)[:40]])
def test_an_annotation_that_is_no_picture_is_named_by_its_file(make_config, tmp_path, silent, data):
    config = make_config("ade")
    (tmp_path / "data/annotations/training/1.png").write_bytes(data)
    with pytest.raises((ValueError, OSError), match=r"training/1\.png"):
        corrupt_dataset(config_source(config), NOISE, tmp_path / "out", console=silent)


def test_images_are_measured_before_they_are_decoded(masks_dir, tmp_path, monkeypatch):
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(png_of_size(9_000, 9_000))
    (images / "b.png").write_bytes(b"")
    source = folder_source(masks_dir, images, num_classes=4)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"a\.png' is 9000 x 9000 .*, its mask 40 x 56"):
        source.sample(0, with_image=True)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"b\.png' \(0 bytes\) cannot be decoded"):
        source.sample(1, with_image=True)


def test_a_pipe_among_the_images_is_named_before_any_work(masks_dir, tmp_path):
    (tmp_path / "images").mkdir()
    os.mkfifo(tmp_path / "images" / "b.jpg")
    with pytest.raises(ValueError, match=r"image '.*b\.jpg' is no regular file but a named pipe"):
        folder_source(masks_dir, tmp_path / "images", num_classes=4)


def test_a_folder_that_may_not_be_listed_is_no_empty_one(masks_dir, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*more'"):
        folder_source(masks_dir, num_classes=4)


def test_a_file_that_may_not_be_read_is_named(masks_dir, tmp_path, silent, monkeypatch):
    source = folder_source(masks_dir, num_classes=4)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*a\.png'"):
        corrupt_dataset(source, NOISE, tmp_path / "out", console=silent)


# --- labels -------------------------------------------------------------------------------------


@pytest.fixture
def no_long_tables(monkeypatch):
    """Fails whoever counts labels up to the largest one."""
    count = np.bincount

    def checked(values, *arguments, **options):
        assert np.max(values, initial=0) < 1e6, "a table as long as the label is large"
        return count(values, *arguments, **options)

    monkeypatch.setattr(np, "bincount", checked)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
def test_a_wrong_label_of_two_billion_is_named_without_a_table_for_it(dtype, no_long_tables):
    mask = np.zeros((8, 8), dtype)
    mask[2, 3] = 2_000_000_000
    classes = dict(num_classes=4, ignore_index=255)
    corrupt = CorruptMask(NOISE, num_classes=4)
    sample = Sample("a/b.png", mask, None, None, None)
    for read in (
        lambda: corrupt.transform(dict(gt_seg_map=mask, sample_key="a/b.png")),
        lambda: compare_sample(sample, SymmetricNoise(0.1), seed=0, **classes),
        lambda: noise_statistics(mask, mask, **classes),
        lambda: TransitionCounts(4).add(mask, mask),
    ):
        with pytest.raises(ValueError, match="2000000000"):
            read()


def test_the_corruptor_names_the_mask_with_a_label_of_two_billion(
    masks_dir, tmp_path, silent, no_long_tables
):
    source = folder_source(masks_dir, num_classes=4)
    mask = np.full((8, 8), 2_000_000_000, np.int32)
    part = source.parts[0]
    part.sample = lambda index, with_image: Sample(part.key(index), mask, None, None, None)
    with pytest.raises(ValueError, match=r"sample 'masks/a\.png': .*found 2000000000"):
        corrupt_dataset(source, NOISE, tmp_path / "out", console=silent)


def test_a_billion_classes_are_refused_at_once(masks_dir):
    with pytest.raises(ValueError, match=r"num_classes must be at most 4096.*got 1000000000"):
        folder_source(masks_dir, num_classes=1_000_000_000)
