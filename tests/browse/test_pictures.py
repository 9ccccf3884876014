"""Pictures of masks: which pixel shows what, and that their files hold just that."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from anl_seg.browse.comparison import ComparedSample
from anl_seg.browse.encode import photo, png
from anl_seg.browse.palette import IGNORED, class_colours
from anl_seg.browse.pictures import FlatPicture, Painter, PixelGrid, shown_image
from anl_seg.noise import noise_statistics


def decoded(content):
    return np.array(Image.open(io.BytesIO(content)).convert("RGBA"))


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (300, 100), (1000, 3), (1, 700)])
def test_grid_is_even_and_within_its_limits(shape):
    grid = PixelGrid.fitting(shape, 256, 512)
    longest = max(len(grid.rows), len(grid.columns))
    assert longest == min(max(max(shape), 256), 512)
    for positions, length in ((grid.rows, shape[0]), (grid.columns, shape[1])):
        assert positions[0] >= 0
        assert positions[-1] < length
        if len(positions) >= length:  # nothing is left out, and all are about as large
            counts = np.bincount(positions, minlength=length)
            assert counts.min() >= 1
            assert np.ptp(counts) <= 1


def test_grid_without_limit_and_without_pixels():
    mask = np.arange(600).reshape(2, 300)
    assert np.array_equal(PixelGrid.fitting(mask.shape, 1, 0).apply(mask), mask)
    with pytest.raises(ValueError, match=r"a mask of \(0, 3\) \(H, W\) has no pixels"):
        PixelGrid.fitting((0, 3), 256, 512)


def test_small_masks_are_enlarged_and_large_photos_averaged():
    mask = np.array([[0, 1], [2, 3]])
    assert np.array_equal(
        PixelGrid.fitting((2, 2), 4, 4).apply(mask), mask.repeat(2, 0).repeat(2, 1)
    )
    board = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(200)
    reduced = PixelGrid.fitting((64, 64), 16, 16).reduced(np.dstack([board] * 3).astype(np.uint8))
    assert reduced.shape == (16, 16, 3)
    assert np.all(reduced == 100)


@pytest.mark.parametrize("ignore_index", [255, -1])
def test_masks_and_differences(ignore_index):
    clean = np.array([[0, 1, 2], [1, 1, ignore_index]])
    noisy = np.array([[0, 2, 2], [0, 1, ignore_index]])
    statistics = noise_statistics(clean, noisy, num_classes=3, ignore_index=ignore_index)
    sample = ComparedSample("k", clean, noisy, None, statistics)
    colours = class_colours(None, 3)
    painter = Painter(colours, ignore_index)
    grid = PixelGrid.fitting(clean.shape, 1, 0)
    picture = painter.mask(noisy, grid).rgba
    assert np.array_equal(picture[0, :, :3], colours[[0, 2, 2]])
    assert tuple(picture[1, 2, :3]) in IGNORED
    assert np.all(picture[..., 3] == 255)
    difference = painter.difference(sample, grid).rgba
    assert np.array_equal(difference[..., 3] == 255, [[False, True, False], [True, False, True]])
    assert np.array_equal(difference[0, 1, :3], colours[2])
    assert np.array_equal(difference[1, 0, :3], colours[0])
    assert tuple(difference[1, 2, :3]) in IGNORED


def test_outline_runs_on_both_sides_of_a_border():
    mask = np.array([[0, 0, 1, 1]])
    painter = Painter(class_colours(None, 2), 255)
    outline = painter.outline(mask, PixelGrid.fitting(mask.shape, 1, 0)).rgba[0]
    assert outline[:, 3].tolist() == [0, 255, 255, 0]
    assert outline[1, 0] == 0
    assert outline[2, 0] == 255


def test_ignored_pixels_are_striped():
    stripes = Painter(class_colours(None, 2), 255).stripes(16).rgba[..., :3].reshape(-1, 3)
    assert {tuple(c) for c in stripes.tolist()} == set(IGNORED)


@pytest.mark.parametrize("count", [1, 2, 5, 200, 700])
@pytest.mark.parametrize("transparent", [False, True])
def test_png_holds_the_picture(count, transparent):
    colours = np.random.RandomState(count).randint(0, 256, (count, 4)).astype(np.uint8)
    colours[:, 3] = 255
    if transparent:
        colours[0] = 0
    picture = FlatPicture(np.arange(1400).reshape(35, 40) % count, colours)
    assert np.array_equal(decoded(png(picture)), picture.rgba)


def test_a_palette_is_small():
    picture = FlatPicture(np.indices((64, 64))[0] // 32, np.full((300, 4), 255, dtype=np.uint8))
    assert len(png(picture)) < 200


def test_photo_formats():
    small = np.random.RandomState(0).randint(0, 256, (9, 8, 3)).astype(np.uint8)
    kind, content = photo(small)
    assert kind == "png"
    assert np.array_equal(decoded(content)[..., :3], small[..., ::-1])
    assert photo(np.zeros((200, 200), np.uint8))[0] == "jpeg"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 1), np.uint8),
        np.linspace(-3, 9, 100).reshape(4, 5, 5).astype(np.float32),
        np.full((4, 5, 3), np.nan),
        np.arange(60, dtype=np.uint16).reshape(4, 5, 3) * 1000,
    ],
)
def test_any_image_can_be_shown(image):
    shown = shown_image(image)
    assert shown.shape == (4, 5, 3)
    assert shown.dtype == np.uint8
    if np.ptp(image) > 0:
        assert (shown.min(), shown.max()) == (0, 255 if image.shape[2] == 3 else shown.max())


@pytest.mark.parametrize("taken", [0, 40, 128, 150, 200])
def test_a_difference_lies_on_greys_that_no_class_has(taken):
    palette = [[taken] * 3, [200, 30, 30]]
    ramp = np.dstack([np.arange(256, dtype=np.uint8)[None]] * 3)
    greys = Painter(class_colours(palette, 2), 255).dimmed(ramp)
    assert np.ptp(greys) >= 40
    assert np.all(np.diff(greys[0].astype(int)) >= 0)
    assert np.abs(greys.astype(int) - taken).min() >= 30


def test_default_colours():
    colours = class_colours(None, 150)
    assert len(np.unique(colours, axis=0)) == 150
    assert colours[1].tolist() == [230, 159, 0]  # Okabe and Ito's
    assert np.array_equal(class_colours(None, 4), colours[:4])
    assert class_colours(None, 1000).shape == (1000, 3)


def test_the_palette_of_the_data_set_comes_first():
    palette = [[1, 2, 3], [200, 10, 10]]
    assert class_colours(palette, 2).tolist() == palette
    longer = class_colours(palette, 5)
    assert longer[:2].tolist() == palette
    assert len(np.unique(longer, axis=0)) == 5
    assert class_colours(palette, 1).tolist() == palette[:1]
