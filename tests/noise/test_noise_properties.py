"""What holds for every noise model on every mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anl_seg.noise import (
    NOISES,
    AffineNoise,
    AlphaBetaNoise,
    BandNoise,
    BoundingBoxNoise,
    ClassSwapNoise,
    DilateNoise,
    ElasticNoise,
    ErodeNoise,
    InstanceDependentNoise,
    MarkovBoundaryNoise,
    MissingObjectNoise,
    PairNoise,
    PolygonNoise,
    RandomChoiceNoise,
    SequentialNoise,
    SpuriousObjectNoise,
    SuperpixelNoise,
    SymmetricNoise,
    TransitionMatrixNoise,
    VertexNoise,
    build_noise,
)
from anl_seg.noise.reshape import ShapeNoise

CLASSES = 4
MATRIX = [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1]]
SHAPES = [[1, 0.1, 0.4], [3, 0.3, 1.0]]
EXAMPLES = [kind(**kind.example) for kind in NOISES.values()]
# Each redraws the shape of objects; what they cannot do is bring in a label that is not there.
RESHAPING = [
    *(noise for noise in EXAMPLES if isinstance(noise, ShapeNoise)),
    DilateNoise(0.6),
    DilateNoise(5, background=None),
    DilateNoise(1, per_object=False),
    ErodeNoise(0.4),
    ErodeNoise(1, background=None),
    ErodeNoise(0.5, per_object=False, background=2),
    AffineNoise(0.5),
    AffineNoise(1.9, max_angle=180, background=None),
    AffineNoise(0.05, max_angle=90, background=3),
    AffineNoise(0.7, per_object=False, background=None),
    AlphaBetaNoise(0.8, 0.5),
    BandNoise(1, 4),
    BandNoise([0, 1, 2, 3], 4, per_object=True, background=None),
    BandNoise(1.5, 2.5, metric="chessboard", dilate_probability=0.2, background=None),
    MarkovBoundaryNoise(8, 0.6, 0.5, 0.3),
    MarkovBoundaryNoise(6, [0.9, 0.1, 0.5, 0], 1, 0, per_object=True, background=None),
    PolygonNoise(2),
    PolygonNoise([9, 3, 0, 1], background=None),
    VertexNoise(2),
    VertexNoise(30, tolerance=1, background=None),
    BoundingBoxNoise(0.7),
    BoundingBoxNoise(1, per_object=False, background=None),
    MissingObjectNoise(0.7),
    MissingObjectNoise([0, 1, 0.5, 1], per_object=False, background=None),
    SpuriousObjectNoise(0.9),
    SpuriousObjectNoise(1, background=None),
    RandomChoiceNoise([None, BandNoise(1, 2), VertexNoise(3)], per_object=True),
]
STRONG = [
    *(noise for noise in EXAMPLES if not isinstance(noise, ShapeNoise)),
    SymmetricNoise(0.7),
    PairNoise(1),
    TransitionMatrixNoise(MATRIX),
    InstanceDependentNoise(0.6),
    SuperpixelNoise(9),
    ElasticNoise(20, 1.5),
    ElasticNoise(60, 3, min_area=6),
    ClassSwapNoise(0.8),
    ClassSwapNoise(matrix=MATRIX, background=None),
    ClassSwapNoise([0, 1, 0.5, 0.5], may_keep=True, per_object=False),
    SpuriousObjectNoise(1, shapes=SHAPES),
    RandomChoiceNoise([SymmetricNoise(0.5), PairNoise(0.5), SuperpixelNoise(5)], [1, 2, 3]),
    SequentialNoise([BandNoise(1, 2), ClassSwapNoise(0.5), SymmetricNoise(0.2)]),
    *RESHAPING,
]
IDENTITY = [
    *(kind(**kind.no_noise) for kind in NOISES.values()),
    DilateNoise(0, background=None),
    ErodeNoise(0, background=None),
    AffineNoise(0, background=None),
    AlphaBetaNoise(1, 0, background=None),
    BandNoise(0, 0, background=None),
    MarkovBoundaryNoise(0, 0.5, 0.5, 0, background=None),
    MarkovBoundaryNoise(5, 0.5, 0, 0, background=None),
    PolygonNoise(0, background=None),
    VertexNoise(0, background=None),
    BoundingBoxNoise(0, background=None),
    ClassSwapNoise(0, background=None),
    ClassSwapNoise(matrix=np.eye(CLASSES), background=None),
    MissingObjectNoise(0, background=None),
    SpuriousObjectNoise(0, background=None),
    RandomChoiceNoise([None, SymmetricNoise(1)], [1, 0]),
]
PRESETS = [
    build_noise(cfg)
    for cfg in (
        {"type": "markov_jsrt_j1"},
        {"type": "coco_n", "level": "hard"},
        {"type": "omission", "level": "severe"},
        {"type": "nsegment"},
    )
]
BACKGROUND = [noise for noise in STRONG if hasattr(noise, "background")]


def image_of(mask, seed=0):
    """A picture for a mask, for the models that look at it."""
    shade = np.random.RandomState(seed).random(size=(*mask.shape, 3)) * 90
    return (shade + 40 * (np.where(mask == 255, 0, mask)[..., None] % 4)).astype(np.uint8)


def call(noise, mask, rng, **options):
    if "image" not in options:
        options["image"] = image_of(mask)
    return noise(mask, rng, **{"num_classes": CLASSES, **options})


def named(noises):
    return [pytest.param(noise, id=repr(noise)[:60]) for noise in noises]


@st.composite
def masks(draw):
    """Masks of any kind: random pixels, rectangles, one label everywhere; also of one row."""
    height = draw(st.integers(1, 14))
    width = draw(st.integers(1, 14))
    if draw(st.booleans()):
        height, width = draw(st.sampled_from([(1, width), (height, 1), (1, 1)]))
    label = st.sampled_from([0, 0, 1, 2, 3, 255])
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.int64]))
    if draw(st.booleans()):
        return draw(arrays(dtype, (height, width), elements=label))
    mask = np.full((height, width), draw(label), dtype=dtype)
    for _ in range(draw(st.integers(0, 4))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : top + draw(st.integers(1, 8)), left : left + draw(st.integers(1, 8))] = draw(
            label
        )
    return mask


seeds = st.integers(0, 2**16)


@pytest.mark.parametrize("noise", named([*STRONG, *PRESETS]))
@given(mask=masks(), seed=seeds)
def test_contract(noise, make_rng, mask, seed):
    before = mask.copy()
    mask.setflags(write=False)
    noisy = call(noise, mask, make_rng(seed))
    assert noisy.shape == mask.shape
    assert noisy.dtype == mask.dtype
    assert not np.shares_memory(noisy, mask)
    assert np.array_equal(mask, before)
    ignored = mask == 255
    assert np.array_equal(noisy == 255, ignored)
    assert noisy[~ignored].max(initial=0) < CLASSES
    again = call(noise, mask, make_rng(seed))
    assert np.array_equal(noisy, again)


@pytest.mark.parametrize("noise", named(IDENTITY))
@given(mask=masks(), seed=seeds)
def test_no_noise_changes_nothing(noise, make_rng, mask, seed):
    assert np.array_equal(call(noise, mask, make_rng(seed)), mask)


@pytest.mark.parametrize("noise", named(RESHAPING))
@given(mask=masks(), seed=seeds)
def test_object_models_bring_in_no_new_label(noise, make_rng, mask, seed):
    noisy = call(noise, mask, make_rng(seed))
    assert set(np.unique(noisy)) <= set(np.unique(mask))


@pytest.mark.parametrize("noise", named(RESHAPING))
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (16, 12), (0, 5)])
def test_one_label_everywhere_stays(noise, make_rng, shape):
    # Empty (background only), full (one object) and ignored masks: nothing to exchange labels with.
    for label in (0, 2, 255):
        mask = np.full(shape, label, dtype=np.uint8)
        assert np.array_equal(call(noise, mask, make_rng()), mask)


@pytest.mark.parametrize("noise", named(STRONG))
@pytest.mark.parametrize("shape", [(0, 5), (4, 0)])
def test_a_mask_without_pixels(noise, make_rng, shape):
    assert call(noise, np.zeros(shape, dtype=np.uint8), make_rng()).shape == shape


@pytest.mark.parametrize("noise", named(STRONG))
def test_every_strong_model_changes_something(noise, make_rng):
    mask = np.zeros((30, 30), dtype=np.uint8)
    mask[5:12, 5:14] = 1
    mask[18:26, 8:20] = 2
    mask[22:28, 22:24] = mask[20:22, 21:27] = 3
    assert any((call(noise, mask, make_rng(seed)) != mask).any() for seed in range(5))


@pytest.mark.parametrize("noise", named(STRONG))
def test_ignore_index_may_be_any_label_outside_the_classes(noise, make_rng):
    mask = np.zeros((20, 20), dtype=np.int16)
    mask[4:12, 4:12] = 1
    mask[8:16, 8:16] = 2
    mask[:, 9] = 255
    other = np.where(mask == 255, -1, mask)
    expected = call(noise, mask, make_rng())
    noisy = call(noise, other, make_rng(), ignore_index=-1, image=image_of(mask))
    assert np.array_equal(np.where(noisy == -1, 255, noisy), expected)


@pytest.mark.parametrize("noise", named(STRONG))
def test_a_generator_is_accepted(noise):
    mask = np.tile(np.array([[0, 1, 1, 2]], dtype=np.uint8), (6, 1))
    first, second = (call(noise, mask, np.random.Generator(np.random.PCG64(3))) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("noise", named(STRONG))
def test_wrong_input_is_named(noise, make_rng):
    mask = np.zeros((4, 4), dtype=np.uint8)

    def wrong(mask=mask, rng=None, **options):
        image = np.zeros((4, 4, 3), np.uint8)
        return call(noise, mask, rng or make_rng(), **{"image": image, **options})

    labels = mask.copy()
    labels[0, :3] = (7, 9, 7)
    with pytest.raises(ValueError, match=r"labels 7, 9 \(3 pixels\).*0 to 3, or ignore_index 255"):
        wrong(labels)
    with pytest.raises(ValueError, match="labels -2 "):
        wrong(np.full((4, 4), -2))
    with pytest.raises(ValueError, match=r"\(H, W\), got \(1, 4, 4\)"):
        wrong(mask[None])
    with pytest.raises(ValueError, match="integers, got dtype float64"):
        wrong(mask.astype(np.float64))
    with pytest.raises(ValueError, match="integers, got list"):
        wrong([[0]])
    with pytest.raises(ValueError, match=r"num_classes.*at least 2, got 1"):
        wrong(num_classes=1)
    with pytest.raises(ValueError, match=r"ignore_index.*\[0, 4\), got 3"):
        wrong(ignore_index=3)
    with pytest.raises(ValueError, match="ignore_index must be an integer, got None"):
        wrong(ignore_index=None)
    with pytest.raises(ValueError, match="int8 cannot hold 200 classes"):
        wrong(mask.astype(np.int8), num_classes=200)
    with pytest.raises(TypeError, match=r"rng must be .* got 5"):
        wrong(rng=5)


@pytest.mark.parametrize("noise", named(BACKGROUND))
def test_background_must_be_a_class(noise, make_rng):
    cfg = noise.config()
    if cfg["type"] == "RandomChoiceNoise" and not cfg["per_object"]:
        return  # the background counts for objects only
    with pytest.raises(ValueError, match=r"background .*\[0, 4\), got 9"):
        call(build_noise(dict(cfg, background=9)), np.zeros((3, 3), np.uint8), make_rng())
    with pytest.raises(ValueError, match="background must be an integer of at least 0, got -1"):
        build_noise(dict(cfg, background=-1))


@pytest.mark.parametrize("noise", named([InstanceDependentNoise(0.6), SuperpixelNoise(9)]))
def test_a_model_that_looks_at_the_image_says_so(noise, make_rng):
    assert noise.needs_image
    assert SequentialNoise([PairNoise(0.1), noise]).needs_image
    assert RandomChoiceNoise([None, noise]).needs_image
    mask = np.zeros((4, 4), np.uint8)
    for image, message in (
        (None, "looks at the image, but got none"),
        ([[0]], "as a numpy array, got list"),
        (np.zeros((4, 5, 3), np.uint8), r"the mask's size \(4, 4\), got \(4, 5, 3\)"),
        (np.full((4, 4, 3), -1.5), r"in \[0, 1\] or \[0, 255\], found -1\.5 to -1\.5"),
        (np.full((4, 4), "x"), "got dtype <U1"),
        (np.zeros((4, 4, 0), np.uint8), "one channel, or of at least three, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call(noise, mask, make_rng(), image=image)


@pytest.mark.parametrize("noise", named([InstanceDependentNoise(0.6), SuperpixelNoise(9)]))
def test_images_of_any_kind_are_the_same(noise, make_rng):
    mask = np.random.RandomState(0).randint(0, 4, size=(20, 24)).astype(np.uint8)
    grey = np.random.RandomState(1).randint(0, 256, size=(20, 24)).astype(np.uint8)
    expected = call(noise, mask, make_rng(), image=np.stack([grey] * 3, axis=-1))
    for image in (
        grey,
        grey[..., None],
        grey.astype(np.float32),
        np.stack([grey] * 4, axis=-1),
        np.asfortranarray(np.stack([grey] * 3, axis=-1)),
    ):
        assert np.array_equal(call(noise, mask, make_rng(), image=image), expected)
