"""The fast forms behind the object models against the slow, obvious ones of tests/references."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from anl_seg.noise import BoundingBoxNoise, InstanceDependentNoise
from anl_seg.noise import distance as distance_module
from anl_seg.noise import vacated as vacated_module
from anl_seg.noise.boundary_walk import walk_by_pixels, walk_by_words
from anl_seg.noise.distance import choose_smallest, nearest_distances
from anl_seg.noise.elastic_noise import _around_small_regions
from anl_seg.noise.fill import labels_around
from anl_seg.noise.objects import MaskObjects
from anl_seg.noise.outline import fill_polygons, outlines
from anl_seg.noise.superpixel_noise import _sparse_winners, _winners
from anl_seg.noise.vacated import fill_vacated
from anl_seg.noise.window import Window
from tests.references import noise_pixels

seeds = st.integers(0, 2**32 - 1)


def random_mask(seed, *, classes=4, most=40):
    """Masks of many kinds: pixels, patches, stripes; with and without ignored pixels."""
    random = np.random.RandomState(seed)
    height, width = random.randint(1, most, size=2)
    side = random.choice([1, 1, 2, 3, 5])
    small = (height // side + 1, width // side + 1)
    share = random.choice([0.1, 0.5, 0.9])
    labels = np.where(random.random(size=small) < share, random.randint(0, classes, size=small), 0)
    labels = labels.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
    if random.random() < 0.4:
        labels[random.random(size=labels.shape) < 0.2] = 255
    mask = labels.astype(random.choice([np.uint8, np.int32, np.int64]))
    return np.asfortranarray(mask) if random.random() < 0.2 else mask


@given(seed=seeds, background=st.sampled_from([0, 2, None]), per_object=st.booleans())
def test_objects_are_those_found_class_by_class(seed, background, per_object):
    mask = random_mask(seed)
    valid = mask != 255
    objects = MaskObjects(mask, valid, background=background, per_object=per_object)
    expected = noise_pixels.objects(mask, valid, background=background, per_object=per_object)
    assert len(objects) == len(expected)
    covered = np.zeros(mask.shape, dtype=bool)
    for number, (obj, (label, area, box, own)) in enumerate(zip(objects, expected), start=1):
        assert (obj.number, obj.label, obj.area, tuple(obj.window)) == (number, label, area, box)
        assert np.array_equal(objects.components == number, own)
        covered |= own
    assert not objects.components[~covered].any()


@given(seed=seeds)
def test_polygons_are_filled_as_point_by_point(seed):
    random = np.random.RandomState(seed)
    reach = random.choice([3, 12])
    polygons = [
        random.randint(-reach, 2 * reach, size=(random.randint(1, 9), 2)).astype(np.int32)
        for _ in range(random.randint(1, 4))
    ]
    top, left = random.randint(-3, 4, size=2)
    window = Window(top, top + random.randint(1, 14), left, left + random.randint(1, 14))
    assert np.array_equal(fill_polygons(polygons, window), noise_pixels.fill(polygons, window))


@given(seed=seeds)
def test_outer_outlines_are_those_of_the_hierarchy(seed):
    mask = random_mask(seed, classes=2)
    pixels = (mask == 1).view(np.uint8)
    found = outlines(pixels.view(bool), Window(0, mask.shape[0], 0, mask.shape[1]), simple=False)
    expected = noise_pixels.outer_contours(np.ascontiguousarray(pixels))
    as_sets = [sorted(map(tuple, polygon.tolist())) for polygon in expected]
    assert sorted(sorted(map(tuple, p.tolist())) for p in found[0]) == sorted(as_sets)


@given(seed=seeds, large=st.sampled_from([1, 2**18]), side=st.sampled_from([2, 24]))
def test_what_many_objects_leave_is_labelled_as_one_by_one(seed, large, side):
    mask = random_mask(seed, most=60)
    valid = mask != 255
    random = np.random.RandomState(seed)
    objects = MaskObjects(mask, valid, background=0, per_object=bool(random.randint(2)))
    vacated, expected = [], mask.copy()
    for obj in objects:
        pixels = objects.own(obj, obj.window) & (random.random(size=obj.window.shape) < 0.6)
        if pixels.any() and obj.area < valid.sum():
            vacated.append((obj, pixels))
            labels = labels_around(mask, valid, objects, obj, pixels)
            expected[obj.window.slices][pixels] = labels
    noisy = mask.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vacated_module, "_LARGE", large)
        patch.setattr(vacated_module, "_MAX_SIDE", side)
        patch.setattr(vacated_module, "_PICTURE", 2000)
        fill_vacated(noisy, mask, valid, objects, vacated)
    assert np.array_equal(noisy, expected)


@given(seed=seeds, theta2=st.sampled_from([0.0, 0.1, 0.6, 1.0]))
def test_an_outline_walks_in_words_as_pixel_by_pixel(seed, theta2):
    mask = random_mask(seed, classes=2, most=140)
    random = np.random.RandomState(seed)
    grows = (random.random(size=12) < 0.6).tolist()
    results = []
    for walk in (walk_by_pixels, walk_by_words):
        rng = np.random.RandomState(1)
        results.append((*walk(mask == 1, mask != 255, grows, theta2, rng), rng.random()))
    for one, other in zip(*results):
        assert np.array_equal(one, other)


@given(seed=seeds, share=st.floats(0.01, 1))
def test_the_nearest_pixels_are_those_of_an_exact_transform(seed, share):
    mask = random_mask(seed, most=60)
    targets, among = mask == 1, mask == 2
    if not targets.any() or not among.any():
        return
    count = max(int(share * among.sum()), 1)
    exact = np.rint(ndimage.distance_transform_edt(~targets) ** 2)[among]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance_module, "_LARGE", 1)
        values, limit = nearest_distances(targets, among, count)
    assert limit == np.sort(exact)[count - 1]
    chosen, expected = (
        choose_smallest(v, count, limit, np.random.RandomState(0)) for v in (values, exact)
    )
    assert np.array_equal(chosen, expected)


@given(seed=seeds, rate=st.sampled_from([0.4, 1.0]), per_object=st.booleans())
def test_boxes_are_painted_as_one_after_the_other(seed, rate, per_object):
    mask = random_mask(seed)
    valid = mask != 255
    objects = noise_pixels.objects(mask, valid, background=None, per_object=per_object)
    boxed = np.random.RandomState(3).random(size=len(objects)) < rate
    expected = noise_pixels.painted_boxes(mask, valid, objects, boxed)
    noise = BoundingBoxNoise(rate, per_object, background=None)
    assert np.array_equal(noise(mask, np.random.RandomState(3), num_classes=4), expected)


@given(seed=seeds, max_area=st.integers(0, 30), margin=st.integers(0, 5))
def test_small_regions_are_surrounded_one_by_one(seed, max_area, margin):
    mask = random_mask(seed)
    valid = mask != 255
    expected = np.zeros(mask.shape, dtype=bool)
    for _, area, box, _ in noise_pixels.objects(mask, valid, background=None, per_object=True):
        if area <= max_area:
            expected[Window(*box).grown(margin, mask.shape).slices] = True
    assert np.array_equal(_around_small_regions(mask, valid, max_area, margin), expected)


@given(seed=seeds)
def test_superpixels_elect_as_one_by_one(seed):
    random = np.random.RandomState(seed)
    num_classes, segments = random.randint(2, 6), random.randint(1, 20)
    votes = random.randint(0, segments * num_classes, size=random.randint(1, 60))
    draw = random.random(size=segments)
    expected = noise_pixels.majority(votes, draw, num_classes)
    for winners in (_winners, _sparse_winners):
        found = winners(votes, draw, num_classes)
        assert {segment: found[segment] for segment in expected} == expected


def test_tables_of_targets_may_come_in_pieces(make_rng, monkeypatch):
    mask = np.random.RandomState(0).randint(0, 7, size=(60, 50)).astype(np.uint8)
    image = np.random.RandomState(1).randint(0, 256, size=(60, 50, 3)).astype(np.uint8)
    noise = InstanceDependentNoise(0.8)
    expected = noise(mask, make_rng(), num_classes=7, image=image)
    # The package exports a function under the module's name.
    module = importlib.import_module("anl_seg.noise.instance_dependent_noise")
    monkeypatch.setattr(module, "_TABLE", 30)
    assert np.array_equal(noise(mask, make_rng(), num_classes=7, image=image), expected)
