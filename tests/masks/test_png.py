"""Reading and writing mask files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from anl_seg._files import remove_leftovers, write_bytes_atomically
from anl_seg.masks.png import MaskPng, encode_mask_png, read_mask_png

ALL = np.arange(256, dtype=np.uint8).reshape(16, 16)


def saved(array, mode="PNG", palette=None, **options):
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, mode, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("colours", [1, 2, 4, 16, 21, 256])
def test_palette_and_values_survive(colours):
    palette = bytes(i * 7 % 256 for i in range(3 * colours))
    # Values beyond the palette's colors too: ignored pixels are often 255 with a short palette.
    back = read_mask_png(encode_mask_png(MaskPng(ALL, palette)))
    assert np.array_equal(back.values, ALL)
    assert back.palette[: len(palette)] == palette
    assert not any(back.palette[len(palette) :])


@pytest.mark.parametrize("transparency", [bytes([255, 0, 128]), 3])
def test_transparency_of_a_palette_survives(transparency):
    content = MaskPng(ALL % 5, bytes(range(15)), transparency)
    assert read_mask_png(encode_mask_png(content)).transparency == transparency


def test_sixteen_bits_survive():
    values = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    back = read_mask_png(encode_mask_png(MaskPng(values)))
    assert back.values.dtype == np.uint16
    assert back.palette is None
    assert np.array_equal(back.values, values)


def test_grey_stays_grey_and_bytes_are_the_same_each_time():
    one, other = (encode_mask_png(MaskPng(ALL.copy())) for _ in range(2))
    assert one == other
    assert Image.open(io.BytesIO(one)).mode == "L"


def test_fewer_bits_are_read():
    assert np.array_equal(read_mask_png(saved((ALL % 2).astype(bool))).values, ALL % 2)
    data = saved(ALL % 4, palette=bytes(range(12)))
    assert np.array_equal(read_mask_png(data).values, ALL % 4)


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_is_refused(tmp_path, channels):
    path = tmp_path / "colour.png"
    path.write_bytes(saved(np.zeros((4, 4, channels), np.uint8)))
    with pytest.raises(ValueError, match=r"colour\.png' is a colour picture \(mode RGB"):
        read_mask_png(path)


@pytest.mark.parametrize(
    "data", [b"", b"text", saved(ALL)[:50], saved(np.zeros((4, 4, 3), np.uint8), "JPEG")]
)
def test_what_is_no_png_is_named(data):
    with pytest.raises(ValueError, match=rf"'a\.png' \({len(data)} bytes\) is no readable PNG"):
        read_mask_png(data, "a.png")


def test_missing_file():
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_mask_png("nothing.png")


@pytest.mark.parametrize(
    "content",
    [MaskPng(ALL.astype(np.int64)), MaskPng(ALL[0]), MaskPng(ALL.astype(np.uint16), b"abc")],
)
def test_what_a_png_cannot_hold_is_refused(content):
    with pytest.raises(ValueError, match="a mask file holds"):
        encode_mask_png(content)


def test_atomic_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "new" / ("n" * 250 + ".png")
    write_bytes_atomically(path, b"old")
    write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"new"

    def fail(handle):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        write_bytes_atomically(path, b"newer")
    assert [p.read_bytes() for p in path.parent.iterdir()] == [b"new"]


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "a").mkdir()
    kept = tmp_path / "a" / "corrupt-1.tmp"
    for path in (kept, tmp_path / ".corrupt-12.tmp", tmp_path / "a" / ".corrupt-3.tmp"):
        path.write_bytes(b"half")
    assert remove_leftovers(tmp_path) == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
