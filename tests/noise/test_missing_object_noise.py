from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from anl_seg.noise.missing_object_noise import MissingObjectNoise, missing_object_noise


@pytest.fixture(scope="module")
def squares():
    """(180, 200) uint8, 4 x 4 squares: 450 each of classes 1 and 2 in turn, on class 0."""
    mask = np.zeros((180, 200), dtype=np.uint8)
    for row, column in np.ndindex(30, 30):
        mask[row * 6 : row * 6 + 4, column * 6 : column * 6 + 4] = 1 + (row + column) % 2
    return mask


def vanished(clean, noisy):
    """For each square whether it is gone; one half gone would fail."""
    parts = (clean != noisy)[:, :180].reshape(30, 6, 30, 6)[:, :4, :, :4]
    gone = parts.any(axis=(1, 3))
    assert np.array_equal(gone, parts.all(axis=(1, 3)))
    return gone


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_share_of_missing_objects(squares, make_rng, rate):
    noisy = missing_object_noise(squares, make_rng(), rate=rate, num_classes=3)
    assert vanished(squares, noisy).mean() == pytest.approx(rate, abs=0.04)
    assert (noisy[squares == 0] == 0).all()


def test_a_rate_for_each_class(squares, make_rng):
    noise = MissingObjectNoise(rate=[1, 0, 0.5])
    noisy = noise(squares, make_rng(), num_classes=3)
    assert np.array_equal(noisy == 1, squares == 1)
    assert vanished(squares, noisy).mean() == pytest.approx(0.25, abs=0.04)
    with pytest.raises(ValueError, match=r"rate lists 3 values.* 4 classes"):
        noise(squares, make_rng(), num_classes=4)


def test_nested_in_rate(squares, make_rng):
    rates = [0, 0.1, 0.3, 0.31, 0.7, 1]
    assert len({MissingObjectNoise(rate).digest() for rate in rates}) == 1
    assert MissingObjectNoise(0.1).digest() != MissingObjectNoise(0.1, per_object=False).digest()
    assert MissingObjectNoise(0.1).digest() != MissingObjectNoise(0.1, background=None).digest()
    previous = np.zeros((30, 30), dtype=bool)
    for rate in rates:
        noisy = missing_object_noise(squares, make_rng(), rate=rate, num_classes=3)
        gone = vanished(squares, noisy)
        assert (gone >= previous).all()
        assert rate == 0 or gone.sum() > previous.sum()
        previous = gone
    # Of the classes, too: a rate for one leaves the objects of the other as they were.
    even = missing_object_noise(squares, make_rng(), rate=0.3, num_classes=3)
    other = missing_object_noise(squares, make_rng(), rate=[0, 0.9, 0.3], num_classes=3)
    assert np.array_equal(even[squares == 2], other[squares == 2])


def test_pixels_take_the_label_of_the_nearest_that_is_left(make_rng):
    mask = np.array([[3, 1, 1, 1, 1, 1, 1, 2]] * 3, dtype=np.uint8)
    noisy = missing_object_noise(mask, make_rng(), rate=[0, 1, 0, 0], num_classes=4)
    assert np.array_equal(noisy, [[3, 3, 3, 3, 2, 2, 2, 2]] * 3)


def test_a_neighbour_that_vanished_is_no_source(make_rng):
    mask = np.array([[0, 1, 1, 2, 2, 3]] * 2, dtype=np.uint8)
    noisy = missing_object_noise(mask, make_rng(), rate=[0, 1, 1, 0], num_classes=4)
    assert np.array_equal(noisy, [[0, 0, 0, 3, 3, 3]] * 2)


def test_ignored_pixels_are_no_source_but_the_class_behind_them_is(make_rng):
    mask = np.array([[1, 1, 255, 255, 0, 2, 2, 255]], dtype=np.uint8)
    noisy = missing_object_noise(mask, make_rng(), rate=[0, 1, 0], num_classes=3)
    assert noisy.tolist() == [[0, 0, 255, 255, 0, 2, 2, 255]]
    mask = mask.astype(np.int64)
    mask[mask == 255] = -1
    rng = make_rng()
    noisy = missing_object_noise(mask, rng, rate=[0, 1, 0], num_classes=3, ignore_index=-1)
    assert noisy.tolist() == [[0, 0, -1, -1, 0, 2, 2, -1]]


def test_nothing_left_to_absorb_leaves_the_mask(make_rng):
    mask = np.array([[1, 1, 2, 2, 255]], dtype=np.uint8)
    assert np.array_equal(missing_object_noise(mask, make_rng(), rate=1, num_classes=3), mask)
    noisy = missing_object_noise(mask, make_rng(), rate=[0, 1, 0], num_classes=3)
    assert noisy.tolist() == [[2, 2, 2, 2, 255]]


def test_without_background_every_region_may_vanish(make_rng):
    mask = np.zeros((6, 6), dtype=np.uint8)
    mask[:, 3:] = 1
    noise = MissingObjectNoise(0.5, background=None)
    found = {tuple(np.unique(noise(mask, make_rng(n), num_classes=2))) for n in range(40)}
    assert found == {(0, 1), (0,), (1,)}


def test_objects_of_a_class_can_vanish_together(squares, make_rng):
    found = set()
    for number in range(20):
        noise = MissingObjectNoise(0.5, per_object=False)
        gone = vanished(squares, noise(squares, make_rng(number), num_classes=3))
        first, second = gone[0, 0], gone[0, 1]
        row, column = np.indices(gone.shape)
        assert np.array_equal(gone, np.where((row + column) % 2 == 0, first, second))
        found.add((bool(first), bool(second)))
    assert len(found) == 4


@pytest.mark.parametrize("number", range(5))
def test_against_a_search_for_every_pixel(make_rng, number):
    # Touching objects of three classes with ignored pixels among them.
    random = np.random.RandomState(number)
    mask = random.choice([0, 1, 2, 3, 255], size=(7, 8)).repeat(4, axis=0).repeat(4, axis=1)
    mask[random.random_sample(mask.shape) < 0.1] = 255
    objects = []
    for label in (1, 2, 3):
        regions, count = ndimage.label(mask == label, structure=np.ones((3, 3)))
        found = [regions == index for index in range(1, count + 1)]
        objects += sorted(found, key=lambda pixels: np.flatnonzero(pixels)[0])
    gone = np.zeros(mask.shape, dtype=bool)
    for pixels, draw in zip(objects, make_rng(number).random_sample(len(objects))):
        gone |= pixels & (draw < 0.4)
    noisy = missing_object_noise(mask, make_rng(number), rate=0.4, num_classes=4)
    assert gone.any()
    assert np.array_equal(noisy[~gone], mask[~gone])
    sources = np.argwhere(~gone & (mask != 255))
    for index in np.argwhere(gone):
        distance = np.hypot(*(sources - index).T)
        same = mask[tuple(sources.T)] == noisy[tuple(index)]
        assert distance[same].min() <= 1.05 * distance.min()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (0, 5), (5, 0)])
@pytest.mark.parametrize("options", [dict(), dict(per_object=False), dict(background=None)])
def test_one_label_everywhere_stays(make_rng, shape, options):
    for label in (0, 2, 255):
        mask = np.full(shape, label, dtype=np.uint16)
        mask.setflags(write=False)
        noisy = missing_object_noise(mask, make_rng(), rate=1, num_classes=3, **options)
        assert np.array_equal(noisy, mask)
        assert noisy.dtype == mask.dtype
        assert not np.shares_memory(noisy, mask)


def test_an_object_of_one_pixel_vanishes(make_rng):
    mask = np.zeros((1, 7), dtype=np.int64)
    mask[0, 3] = 2
    assert not missing_object_noise(mask, make_rng(), rate=1, num_classes=3).any()


def test_wrong_parameters():
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got -0\.1"):
        MissingObjectNoise(-0.1)
    with pytest.raises(ValueError, match=r"rate\[2\] must lie in \[0, 1\], got 2\.0"):
        MissingObjectNoise([0, 1, 2])
    with pytest.raises(ValueError, match="per_object must be True or False, got None"):
        MissingObjectNoise(0.1, per_object=None)
