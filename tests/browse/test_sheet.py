"""The contact sheet."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from anl_seg.browse import canvas
from anl_seg.browse.comparison import compare_sample
from anl_seg.browse.sheet import draw_sheet
from anl_seg.noise import SymmetricNoise


@pytest.fixture(scope="module", params=[True, False], ids=["images", "masks only"])
def samples(request, source):
    settings = dict(seed=0, num_classes=3, ignore_index=255)
    loaded = [source.sample(i, request.param) for i in range(len(source))]
    return [compare_sample(s, SymmetricNoise(0.3), **settings) for s in loaded]


def draw(samples, painter, names):
    return draw_sheet(samples, painter, names, title="noise $x$", subtitle="data")


def test_a_sheet_is_the_same_every_time_and_leaves_matplotlib_alone(samples, painter, names):
    before = dict(matplotlib.rcParams)
    backend = matplotlib.get_backend()
    first = draw(samples, painter, names)
    assert first == draw(samples, painter, names)
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend() == backend


def test_it_shows_the_masks_pixel_by_pixel(samples, painter, names):
    picture = np.array(Image.open(io.BytesIO(draw(samples, painter, names))))
    noisy = samples[0].noisy
    # Some row of the sheet runs through row 9 of the noisy mask, which is 320 pixels wide on it.
    wanted = painter.colours[noisy[9]][(2 * np.arange(320) + 1) * 31 // 640]
    windows = np.lib.stride_tricks.sliding_window_view(picture[60:300:2], (320,), axis=1)
    assert (windows == wanted.T).all(axis=(-1, -2)).any()


def test_images_have_a_column_of_their_own(source, painter, names):
    settings = dict(seed=0, num_classes=3, ignore_index=255)
    widths = []
    for with_image in (False, True):
        sample = compare_sample(source.sample(0, with_image), SymmetricNoise(0.3), **settings)
        widths.append(Image.open(io.BytesIO(draw([sample], painter, names))).width)
    assert widths[1] - widths[0] == 320 + 12


def test_what_the_font_lacks_and_what_would_be_a_formula():
    assert canvas.drawable("道 $a$") == r"? \$a\$"


def test_names_that_the_font_lacks_are_no_warning(samples, painter, recwarn):
    draw(samples, painter, ["道路", "b", "c"])
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
