"""Time and memory stay bounded: counted in calls, pixels and bytes, never in seconds."""

from __future__ import annotations

import sys
import tracemalloc

import cv2
import numpy as np
import pytest

from anl_seg._checks import MAX_CLASSES, MAX_PAIRED_CLASSES
from anl_seg.noise import (
    NOISES,
    AffineNoise,
    BandNoise,
    BoundingBoxNoise,
    ClassSwapNoise,
    DilateNoise,
    ElasticNoise,
    ErodeNoise,
    InstanceDependentNoise,
    MarkovBoundaryNoise,
    MissingObjectNoise,
    NoiseStatistics,
    PairNoise,
    PolygonNoise,
    RandomChoiceNoise,
    SpuriousObjectNoise,
    SuperpixelNoise,
    VertexNoise,
    noise_statistics,
    object_shapes,
)
from anl_seg.noise.estimate_transition_matrix import AnchorPoints, TransitionCounts
from anl_seg.noise.objects import MaskObjects

OBJECT_BY_OBJECT = [
    DilateNoise(0.4),
    ErodeNoise(0.4),
    AffineNoise(0.4),
    BandNoise(1, 2, per_object=True),
    MarkovBoundaryNoise(3, 0.5, 0.3, 0.1, per_object=True),
    PolygonNoise(1),
    VertexNoise(1),
    RandomChoiceNoise([VertexNoise(1), ErodeNoise(0.3)], per_object=True),
    SpuriousObjectNoise(0.9),
]
ALL_AT_ONCE = [
    MissingObjectNoise(0.5),
    ClassSwapNoise(0.5),
    ElasticNoise(50, 3, min_area=9),
]
ANY = [
    *(kind(**kind.example) for kind in NOISES.values()),
    *OBJECT_BY_OBJECT,
    *ALL_AT_ONCE,
]


def named(noises):
    return [pytest.param(noise, id=repr(noise)[:50]) for noise in noises]


def dots(size, count, classes=2):
    """``count`` squares of 3 x 3 pixels in an image of ``size`` squared, classes in turn."""
    mask = np.zeros((size, size), dtype=np.int32)
    across = size // 6
    for number in range(count):
        top, left = 6 * (number // across) + 1, 6 * (number % across) + 1
        mask[top : top + 3, left : left + 3] = 1 + number % (classes - 1)
    return mask


def with_holes(count):
    """One object of 240 x 240 pixels with ``count`` holes."""
    mask = np.ones((240, 240), dtype=np.uint8)
    rows, columns = np.divmod(np.arange(count), 39)
    mask[6 * rows + 2, 6 * columns + 3] = mask[6 * rows + 3, 6 * columns + 3] = 0
    return mask


def calls_of(function):
    """How many functions are called, those of C included."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def peak_of(function):
    """Bytes at the peak, beyond those before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("noise", named([PolygonNoise(1), VertexNoise(1)]))
def test_a_hole_costs_no_pass_over_its_object(noise, make_rng, monkeypatch):
    few, many = (
        calls_of(lambda n=n: noise(with_holes(n), make_rng(), num_classes=2)) for n in (100, 1100)
    )
    assert (many - few) / 1000 < 80


def test_a_window_is_made_once_whatever_the_holes(make_rng, monkeypatch):
    pixels = []
    zeros = np.zeros

    def noting(shape, *args, **options):
        pixels.append(int(np.prod(shape)))
        return zeros(shape, *args, **options)

    monkeypatch.setattr(np, "zeros", noting)
    mask = with_holes(1000)
    VertexNoise(1)(mask, make_rng(), num_classes=2)
    assert sum(pixels) < 20 * mask.size


@pytest.mark.parametrize("noise", named(OBJECT_BY_OBJECT))
def test_an_object_makes_no_array_of_the_size_of_the_image(noise, make_rng, monkeypatch):
    mask, pixels = dots(600, 300), []

    def count(function):
        def noting(shape, *args, **options):
            pixels.append(int(np.prod(getattr(shape, "shape", shape))))
            return function(shape, *args, **options)

        return noting

    for name in ("zeros", "empty", "full", "zeros_like", "empty_like"):
        monkeypatch.setattr(np, name, count(getattr(np, name)))
    noise(mask, make_rng(), num_classes=2)
    assert sum(pixels) < 30 * mask.size


@pytest.mark.parametrize("noise", named([ErodeNoise(0.4), PolygonNoise(1), AffineNoise(0.5)]))
def test_what_many_objects_leave_is_looked_up_together(noise, make_rng, monkeypatch):
    calls = []
    transform = cv2.distanceTransformWithLabels

    def noting(*args, **options):
        calls.append(args[0].size)
        return transform(*args, **options)

    monkeypatch.setattr(cv2, "distanceTransformWithLabels", noting)
    noise(dots(600, 500), make_rng(), num_classes=2)
    assert len(calls) <= 3


def test_a_whole_class_in_a_large_image_needs_no_distance_to_every_pixel(make_rng, monkeypatch):
    sizes = []
    transform = cv2.distanceTransform

    def noting(*args, **options):
        sizes.append(args[0].size)
        return transform(*args, **options)

    monkeypatch.setattr(cv2, "distanceTransform", noting)
    for noise in (DilateNoise(0.3, per_object=False), ErodeNoise(0.3, per_object=False)):
        noise(dots(1200, 10000, classes=5), make_rng(), num_classes=5)
    assert not sizes


def test_objects_are_found_in_one_go_whatever_their_number_and_that_of_the_classes():
    def calls(count, classes):
        mask = dots(300, count, classes)
        return calls_of(lambda: MaskObjects(mask, mask >= 0, background=0))

    assert calls(100, 4) == calls(2000, 4) == calls(2000, 900)


@pytest.mark.parametrize("noise", named(ALL_AT_ONCE))
def test_models_without_shapes_take_all_objects_at_once(noise, make_rng):
    few, many = (
        calls_of(lambda n=n: noise(dots(300, n), make_rng(), num_classes=2)) for n in (50, 2000)
    )
    assert many - few < 60


@pytest.mark.parametrize("noise", named([*ALL_AT_ONCE, BoundingBoxNoise(0.5)]))
def test_memory_goes_with_the_pixels_also_where_each_is_an_object(noise, make_rng):
    mask = np.zeros((200, 200), dtype=np.uint8)
    mask[::2, ::2] = 1
    peak = peak_of(lambda: noise(mask, make_rng(), num_classes=2))
    # At 4096 x 4096 pixels that is 2 GiB.
    assert peak < 128 * mask.size


def test_classes_do_not_multiply_with_what_the_image_shows(make_rng):
    classes = 500
    mask = np.random.RandomState(0).randint(0, classes, size=(150, 150)).astype(np.int32)
    image = np.random.RandomState(1).randint(0, 256, size=(150, 150, 3)).astype(np.uint8)

    def peak(noise):
        options = dict(num_classes=classes, ignore_index=-1, image=image)
        return peak_of(lambda: noise(mask, make_rng(), **options))

    assert peak(InstanceDependentNoise(0.9)) < 250e6
    assert peak(SuperpixelNoise(20000)) < 50e6


@pytest.mark.parametrize("noise", named(ANY))
@pytest.mark.parametrize("num_classes", [MAX_CLASSES + 1, 10**9, 10**30])
def test_too_many_classes_are_refused_before_anything_grows_with_them(noise, num_classes, make_rng):
    mask = np.zeros((4, 4), dtype=np.uint64)
    image = np.zeros((4, 4, 3), dtype=np.uint8)

    def call():
        with pytest.raises(ValueError, match=f"num_classes must be at most .*got {num_classes}"):
            noise(mask, make_rng(), num_classes=num_classes, ignore_index=-1, image=image)

    assert peak_of(call) < 1e6


@pytest.mark.parametrize("num_classes", [MAX_PAIRED_CLASSES + 1, 10**9])
def test_too_many_classes_for_a_table_of_pairs_are_refused(num_classes, make_rng):
    mask = np.zeros((4, 4), dtype=np.int64)
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    options = dict(num_classes=num_classes, ignore_index=-1)
    for call in (
        lambda: NoiseStatistics.zeros(num_classes),
        lambda: noise_statistics(mask, mask, **options),
        lambda: TransitionCounts(num_classes),
        lambda: AnchorPoints(num_classes),
        lambda: InstanceDependentNoise(0.3)(mask, make_rng(), image=image, **options),
    ):
        with pytest.raises(ValueError, match=f"num_classes must be at most .* got {num_classes}"):
            call()


def test_bins_and_steps_beyond_reason_are_refused():
    with pytest.raises(ValueError, match=r"bins must be at most 67633 with 126 classes"):
        AnchorPoints(126, bins=10**6)
    with pytest.raises(ValueError, match=r"steps must be at most 1000000, got 1000000000"):
        MarkovBoundaryNoise(10**9, 0.5, 0.1, 0.1)


@pytest.mark.parametrize("num_classes", [2.0, 1e9, True, None, "4", -3, 0, 1])
def test_a_number_of_classes_that_is_none_is_refused(num_classes, make_rng):
    mask = np.zeros((4, 4), dtype=np.uint8)
    for call in (
        lambda: PairNoise(0.1)(mask, make_rng(), num_classes=num_classes),
        lambda: NoiseStatistics.zeros(num_classes),
        lambda: TransitionCounts(num_classes),
    ):
        with pytest.raises(ValueError, match="num_classes must be an integer of at least 2"):
            call()


@pytest.mark.parametrize("noise", named(ANY))
def test_a_wrong_label_is_named_before_memory_goes_with_it(noise, make_rng):
    mask = np.zeros((8, 8), dtype=np.int64)
    mask[2, 3] = 2_000_000_000

    def call():
        with pytest.raises(ValueError, match=r"labels 2000000000 \(1 pixels\).*0 to 3"):
            noise(mask, make_rng(), num_classes=4, image=np.zeros((8, 8, 3), np.uint8))

    assert peak_of(call) < 1e6


def test_a_wrong_label_is_named_by_what_counts_labels():
    mask = np.zeros((8, 8), dtype=np.int64)
    wrong = mask + 2_000_000_000
    probabilities = np.full((4, 8, 8), 0.25)

    def call():
        for count in (
            lambda: noise_statistics(mask, wrong, num_classes=4),
            lambda: noise_statistics(wrong, mask, num_classes=4),
            lambda: TransitionCounts(4).add(mask, wrong),
            lambda: AnchorPoints(4).add(probabilities, wrong),
            lambda: object_shapes([wrong], num_classes=4),
        ):
            with pytest.raises(ValueError, match="labels 2000000000"):
                count()

    assert peak_of(call) < 1e6
