"""The helpers that the object models share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from anl_seg.noise.distance import choose_smallest, nth_smallest, squared_distance
from anl_seg.noise.fill import labels_around, nearest_labels
from anl_seg.noise.objects import MaskObjects
from anl_seg.noise.window import Window


@pytest.fixture(scope="module")
def mask():
    """(40, 50) uint8 of 4 classes and ignored pixels, in random patches of a few pixels."""
    random = np.random.RandomState(3)
    patches = random.choice([0, 1, 2, 3, 255], size=(20, 25), p=[0.3, 0.2, 0.2, 0.2, 0.1])
    return np.kron(patches, np.ones((2, 2))).astype(np.uint8)


@pytest.mark.parametrize("background", [0, 2, None])
def test_objects_against_scipy(mask, background):
    objects = MaskObjects(mask, mask != 255, background=background)
    expected = np.zeros(mask.shape, dtype=int)
    for label in range(4):
        if label != background:
            numbers, _ = ndimage.label(mask == label, structure=np.ones((3, 3)))
            expected[numbers > 0] = numbers[numbers > 0] + expected.max()
    assert len(objects) == expected.max()
    assert np.array_equal(objects.components > 0, expected > 0)
    firsts = []
    for obj in objects:
        own = objects.components == obj.number
        y, x = np.nonzero(own)
        number = expected[y[0], x[0]]
        assert np.array_equal(own, expected == number)
        assert obj.label == mask[y[0], x[0]]
        assert obj.area == len(y)
        assert obj.window == (y.min(), y.max() + 1, x.min(), x.max() + 1)
        assert objects.center(obj) == pytest.approx((x.mean(), y.mean()))
        assert np.array_equal(objects.own(obj, obj.window), own[obj.window.slices])
        firsts.append((obj.label, y[0], x[0]))
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (60, 70)])
def test_squared_distance_is_exact(shape):
    random = np.random.RandomState(0)
    targets = random.random(size=shape) < 0.01
    targets.flat[-1] = True
    expected = np.rint(ndimage.distance_transform_edt(~targets) ** 2)
    assert np.array_equal(squared_distance(targets), expected)


def test_nothing_is_near_an_empty_set():
    nothing = np.zeros((3, 3), dtype=bool)
    with pytest.raises(ValueError, match="empty set"):
        squared_distance(nothing)
    with pytest.raises(ValueError, match="no pixel to take a label from"):
        nearest_labels(np.zeros((3, 3), dtype=np.uint8), nothing)


def test_choose_smallest(make_rng):
    values = np.array([4, 1, 4, 2, 4, 9])
    seen = set()
    for seed in range(40):
        chosen = choose_smallest(values, 3, nth_smallest(values, 3), make_rng(seed))
        assert chosen.sum() == 3
        assert chosen[[1, 3]].all()
        assert not chosen[5]
        seen.add(int(np.flatnonzero(chosen & (values == 4))[0]))
    assert seen == {0, 2, 4}
    assert choose_smallest(values, 6, nth_smallest(values, 6), make_rng()).all()


def test_labels_around_look_beyond_the_first_window(make_rng):
    mask = np.full((41, 41), 255, dtype=np.uint8)
    mask[18:23, 18:23] = 1
    mask[20, 40] = 3
    mask[0, 0] = 2
    valid = mask != 255
    objects = MaskObjects(mask, valid, background=0)
    obj = next(o for o in objects if o.label == 1)
    labels = labels_around(mask, valid, objects, obj, np.ones((5, 5), dtype=bool))
    assert labels.tolist() == [3] * 25


def test_window():
    window = Window(2, 5, 3, 9)
    assert window.shape == (3, 6)
    grown = window.grown(3, (7, 40))
    assert grown == (0, 7, 0, 12)
    assert not grown.covers((7, 40))
    assert grown.covers((7, 12))
    image = np.arange(280).reshape(7, 40)
    assert np.array_equal(image[grown.slices][window.inside(grown)], image[window.slices])


def test_exit_distance():
    # The window is closed by the image at the top, left and bottom.
    exit_distance = Window(0, 2, 0, 3).squared_exit_distance((2, 9))
    assert exit_distance.tolist() == [[9, 4, 1], [9, 4, 1]]
    exit_distance = Window(1, 4, 1, 4).squared_exit_distance((5, 5))
    assert exit_distance.tolist() == [[1, 1, 1], [1, 4, 1], [1, 1, 1]]
    assert np.isinf(Window(0, 2, 0, 2).squared_exit_distance((2, 2))).all()
