from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise.bounding_box_noise import BoundingBoxNoise, bounding_box_noise


def text(*rows):
    """A mask from rows of digits; dots are ignored pixels."""
    return np.array([[255 if c == "." else int(c) for c in row] for row in rows], dtype=np.uint8)


@pytest.fixture(scope="module")
def crosses():
    """(150, 200) uint8, 1200 crosses in 3 x 3 pixels, classes 1 and 2 in turn, on class 0."""
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=np.uint8)
    mask = np.zeros((150, 200), dtype=np.uint8)
    for row, column in np.ndindex(30, 40):
        mask[row * 5 : row * 5 + 3, column * 5 : column * 5 + 3] = cross * (1 + (row + column) % 2)
    return mask


def boxed(clean, noisy):
    """For each cross whether it is a box now; a mask that is anything else fails."""
    label = clean[1::5, 1::5]
    result = noisy[::5, ::5] != 0
    boxes = np.zeros_like(clean).reshape(30, 5, 40, 5)
    boxes[:, :3, :, :3] = np.where(result, label, 0)[:, None, :, None]
    assert np.array_equal(noisy, np.maximum(clean, boxes.reshape(clean.shape)))
    return result


def test_an_object_becomes_its_bounding_box_without_holes(make_rng):
    mask = text("0000000", "0010000", "0101000", "0011000", "0000110", "0000000")
    expected = text("0000000", "0111110", "0111110", "0111110", "0111110", "0000000")
    noisy = bounding_box_noise(mask, make_rng(), num_classes=2)
    assert np.array_equal(noisy, expected)
    ring = np.pad(np.pad(np.zeros((3, 3), np.uint8), 1, constant_values=1), 2)
    noisy = BoundingBoxNoise()(ring, make_rng(), num_classes=2)
    assert np.array_equal(noisy, np.pad(np.ones((5, 5), np.uint8), 2))


def test_smaller_boxes_stay_visible(make_rng):
    # The box of class 1 covers everything, that of class 3 covers class 2.
    mask = text("100000", "103330", "103230", "103000", "111111")
    expected = text("111111", "113331", "113231", "113331", "111111")
    noisy = bounding_box_noise(mask, make_rng(), num_classes=4)
    assert np.array_equal(noisy, expected)
    # With the classes the other way round the order must not change: it goes by area.
    swapped = bounding_box_noise(np.where(mask > 0, 4 - mask, 0), make_rng(), num_classes=4)
    assert np.array_equal(swapped, 4 - expected)


def test_the_area_of_a_box_is_not_that_of_its_object(make_rng):
    # Class 1 has 5 pixels in a box of 25, class 2 has 6 in a box of 6.
    mask = text("10000", "01000", "00100", "22210", "22201")
    expected = text("11111", "11111", "11111", "22211", "22211")
    assert np.array_equal(bounding_box_noise(mask, make_rng(), num_classes=3), expected)
    # Class 1 keeps its 7 pixels in a box of 16, class 2 becomes a box of 9.
    mask = text("21000", "01000", "01200", "01111")
    expected = text("21200", "21200", "21200", "01111")
    noise = BoundingBoxNoise([0, 0, 1], per_object=False)
    assert np.array_equal(noise(mask, make_rng(), num_classes=3), expected)


def test_equal_boxes_are_painted_in_the_order_of_the_objects(make_rng):
    mask = text("12", "21")
    assert np.array_equal(bounding_box_noise(mask, make_rng(), num_classes=3), text("22", "22"))


def test_objects_that_keep_their_outline_lie_by_area_too(make_rng):
    # Class 1 keeps its 5 pixels, the box of class 2 has 9: class 1 stays whole.
    mask = text("2000", "0200", "0020", "1111", "1000")
    noisy = bounding_box_noise(mask, make_rng(), rate=[0, 0, 1], num_classes=3)
    assert np.array_equal(noisy, text("2220", "2220", "2220", "1111", "1000"))
    # Class 1 keeps 4 pixels inside a box of 9; then 12 pixels under a box of 9.
    mask = text("200", "021", "111")
    noisy = bounding_box_noise(mask, make_rng(), rate=[0, 0, 1], num_classes=3)
    assert np.array_equal(noisy, text("220", "221", "111"))
    mask = text("200111", "020111", "112111", "111111")
    noisy = bounding_box_noise(mask, make_rng(), rate=[0, 0, 1], num_classes=3)
    assert np.array_equal(noisy, text("222111", "222111", "222111", "111111"))


def test_area_counts_valid_pixels_only(make_rng):
    # The box of class 1 spans 10 pixels, 2 of them valid; that of class 2 has 8 and lies below.
    mask = text("1...", *["...."] * 8, "1222", "2000")
    expected = text("1...", *["...."] * 8, "1222", "2222")
    noisy = bounding_box_noise(mask, make_rng(), num_classes=3, per_object=False)
    assert np.array_equal(noisy, expected)


def test_ignored_pixels_stay(make_rng):
    mask = text("1.00", "..10", "0111")
    expected = text("1.00", "..11", "0111")
    # The object at the top left hangs together with nothing: ignored pixels lie all around it.
    noisy = bounding_box_noise(mask, make_rng(), num_classes=2)
    assert np.array_equal(noisy, expected)
    other = mask.astype(np.int16)
    other[other == 255] = -1
    noisy = bounding_box_noise(other, make_rng(), num_classes=2, ignore_index=-1)
    assert np.array_equal(np.where(noisy == -1, 255, noisy), expected)


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_share_of_boxed_objects(crosses, make_rng, rate):
    noisy = bounding_box_noise(crosses, make_rng(), rate=rate, num_classes=3)
    assert boxed(crosses, noisy).mean() == pytest.approx(rate, abs=0.04)


def test_a_rate_for_each_class(crosses, make_rng):
    noise = BoundingBoxNoise(rate=[1, 0, 1])
    noisy = noise(crosses, make_rng(), num_classes=3)
    row, column = np.indices((30, 40))
    assert np.array_equal(boxed(crosses, noisy), (row + column) % 2 == 1)
    with pytest.raises(ValueError, match=r"rate lists 3 values.* 4 classes"):
        noise(crosses, make_rng(), num_classes=4)


def test_nested_in_rate(crosses, make_rng):
    rates = [0, 0.1, 0.3, 0.31, 0.7, 1]
    assert len({BoundingBoxNoise(rate).digest() for rate in rates}) == 1
    assert BoundingBoxNoise(0.1).digest() != BoundingBoxNoise(0.1, per_object=False).digest()
    previous = np.zeros((30, 40), dtype=bool)
    for rate in rates:
        noisy = bounding_box_noise(crosses, make_rng(), rate=rate, num_classes=3)
        now = boxed(crosses, noisy)
        assert (now >= previous).all()
        assert rate == 0 or now.sum() > previous.sum()
        previous = now
    assert previous.all()


def test_no_rate_changes_nothing(make_rng):
    random = np.random.RandomState(0)
    mask = random.choice([0, 1, 2, 255], size=(30, 30)).astype(np.uint8)
    for options in (dict(), dict(per_object=False), dict(background=None), dict(background=2)):
        noisy = bounding_box_noise(mask, make_rng(), rate=0, num_classes=3, **options)
        assert np.array_equal(noisy, mask)


def test_one_box_around_all_objects_of_a_class(make_rng):
    mask = text("10000", "00020", "00000", "00100")
    noisy = bounding_box_noise(mask, make_rng(), num_classes=3, per_object=False)
    assert np.array_equal(noisy, text("11100", "11120", "11100", "11100"))


def test_without_background_every_region_is_boxed(make_rng):
    mask = text("0011", "0111", "1111")
    noisy = bounding_box_noise(mask, make_rng(), num_classes=2, background=None)
    assert np.array_equal(noisy, text("0011", "0011", "1111"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (0, 5), (5, 0)])
@pytest.mark.parametrize("options", [dict(), dict(per_object=False), dict(background=None)])
def test_one_label_everywhere_stays(make_rng, shape, options):
    for label in (0, 2, 255):
        mask = np.full(shape, label, dtype=np.uint16)
        mask.setflags(write=False)
        noisy = bounding_box_noise(mask, make_rng(), num_classes=3, **options)
        assert np.array_equal(noisy, mask)
        assert noisy.dtype == mask.dtype
        assert not np.shares_memory(noisy, mask)


def test_a_row_and_a_pixel(make_rng):
    mask = text("0100110")
    assert np.array_equal(bounding_box_noise(mask, make_rng(), num_classes=2), mask)
    noisy = bounding_box_noise(mask, make_rng(), num_classes=2, per_object=False)
    assert np.array_equal(noisy, text("0111110"))
    pixel = text("000", "010", "000")
    assert np.array_equal(bounding_box_noise(pixel, make_rng(), num_classes=2), pixel)


def test_wrong_parameters():
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 1\.1"):
        BoundingBoxNoise(1.1)
    with pytest.raises(ValueError, match=r"rate\[0\] must be a finite number"):
        BoundingBoxNoise(["a"])
    with pytest.raises(ValueError, match="per_object must be True or False, got 0"):
        BoundingBoxNoise(per_object=0)
