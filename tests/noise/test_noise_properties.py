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
    DilateNoise,
    ErodeNoise,
    PairNoise,
    SymmetricNoise,
    TransitionMatrixNoise,
    build_noise,
)

CLASSES = 4
MATRIX = [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1]]
STRONG = [
    SymmetricNoise(0.7),
    PairNoise(1),
    TransitionMatrixNoise(MATRIX),
    DilateNoise(0.6),
    DilateNoise(5, background=None),
    ErodeNoise(0.4),
    ErodeNoise(1, background=None),
    AffineNoise(0.5),
    AffineNoise(1.9, max_angle=180, background=None),
    AffineNoise(0.05, max_angle=90, background=3),
    AlphaBetaNoise(0.8, 0.5),
]
IDENTITY = [
    SymmetricNoise(0),
    PairNoise(0),
    TransitionMatrixNoise(np.eye(CLASSES)),
    DilateNoise(0),
    DilateNoise(0, background=None),
    ErodeNoise(0, background=None),
    AffineNoise(0, background=None),
    AlphaBetaNoise(0, 0.5),
    AlphaBetaNoise(1, 0, background=None),
]
OBJECTS = [noise for noise in STRONG if hasattr(noise, "background")]


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


@pytest.mark.parametrize("noise", named(STRONG))
@given(mask=masks(), seed=seeds)
def test_contract(noise, make_rng, mask, seed):
    before = mask.copy()
    mask.setflags(write=False)
    noisy = noise(mask, make_rng(seed), num_classes=CLASSES)
    assert noisy.shape == mask.shape
    assert noisy.dtype == mask.dtype
    assert not np.shares_memory(noisy, mask)
    assert np.array_equal(mask, before)
    ignored = mask == 255
    assert np.array_equal(noisy == 255, ignored)
    assert noisy[~ignored].max(initial=0) < CLASSES
    again = noise(mask, make_rng(seed), num_classes=CLASSES)
    assert np.array_equal(noisy, again)


@pytest.mark.parametrize("noise", named(IDENTITY))
@given(mask=masks(), seed=seeds)
def test_no_noise_changes_nothing(noise, make_rng, mask, seed):
    assert np.array_equal(noise(mask, make_rng(seed), num_classes=CLASSES), mask)


@pytest.mark.parametrize("noise", named(OBJECTS))
@given(mask=masks(), seed=seeds)
def test_object_models_bring_in_no_new_label(noise, make_rng, mask, seed):
    noisy = noise(mask, make_rng(seed), num_classes=CLASSES)
    assert set(np.unique(noisy)) <= set(np.unique(mask))


@pytest.mark.parametrize("noise", named(OBJECTS))
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (16, 12), (0, 5)])
def test_one_label_everywhere_stays(noise, make_rng, shape):
    # Empty (background only), full (one object) and ignored masks: nothing to exchange labels with.
    for label in (0, 2, 255):
        mask = np.full(shape, label, dtype=np.uint8)
        assert np.array_equal(noise(mask, make_rng(), num_classes=CLASSES), mask)


@pytest.mark.parametrize("noise", named([n for n in STRONG if not isinstance(n, AlphaBetaNoise)]))
def test_every_strong_model_changes_something(noise, make_rng):
    mask = np.zeros((30, 30), dtype=np.uint8)
    mask[5:12, 5:14] = 1
    mask[18:26, 8:20] = 2
    assert (noise(mask, make_rng(), num_classes=CLASSES) != mask).any()


@pytest.mark.parametrize("noise", named(STRONG))
def test_ignore_index_may_be_any_label_outside_the_classes(noise, make_rng):
    mask = np.zeros((20, 20), dtype=np.int16)
    mask[4:12, 4:12] = 1
    mask[8:16, 8:16] = 2
    mask[:, 9] = 255
    other = np.where(mask == 255, -1, mask)
    expected = noise(mask, make_rng(), num_classes=CLASSES)
    noisy = noise(other, make_rng(), num_classes=CLASSES, ignore_index=-1)
    assert np.array_equal(np.where(noisy == -1, 255, noisy), expected)


@pytest.mark.parametrize("noise", named(STRONG))
def test_a_generator_is_accepted(noise):
    mask = np.tile(np.array([[0, 1, 1, 2]], dtype=np.uint8), (6, 1))
    first, second = (
        noise(mask, np.random.Generator(np.random.PCG64(3)), num_classes=CLASSES) for _ in range(2)
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize("noise", named(STRONG))
def test_wrong_input_is_named(noise, make_rng):
    mask = np.zeros((4, 4), dtype=np.uint8)

    def call(mask=mask, rng=None, num_classes=CLASSES, **options):
        return noise(mask, rng or make_rng(), num_classes=num_classes, **options)

    wrong = mask.copy()
    wrong[0, :3] = (7, 9, 7)
    with pytest.raises(ValueError, match=r"labels 7, 9 \(3 pixels\).*0 to 3, or ignore_index 255"):
        call(wrong)
    with pytest.raises(ValueError, match="labels -2 "):
        call(np.full((2, 2), -2))
    with pytest.raises(ValueError, match=r"\(H, W\), got \(1, 4, 4\)"):
        call(mask[None])
    with pytest.raises(ValueError, match="integers, got dtype float64"):
        call(mask.astype(np.float64))
    with pytest.raises(ValueError, match="integers, got list"):
        call([[0]])
    with pytest.raises(ValueError, match=r"num_classes.*at least 2, got 1"):
        call(num_classes=1)
    with pytest.raises(ValueError, match=r"ignore_index.*\[0, 4\), got 3"):
        call(ignore_index=3)
    with pytest.raises(ValueError, match="ignore_index must be an integer, got None"):
        call(ignore_index=None)
    with pytest.raises(ValueError, match="int8 cannot hold 200 classes"):
        call(mask.astype(np.int8), num_classes=200)
    with pytest.raises(TypeError, match=r"rng must be .* got 5"):
        call(rng=5)


@pytest.mark.parametrize("noise", named(OBJECTS))
def test_background_must_be_a_class(noise, make_rng):
    cfg = dict(noise.config(), background=9)
    with pytest.raises(ValueError, match=r"background .*\[0, 4\), got 9"):
        build_noise(cfg)(np.zeros((3, 3), np.uint8), make_rng(), num_classes=CLASSES)
    with pytest.raises(ValueError, match="background must be an integer of at least 0, got -1"):
        build_noise(dict(cfg, background=-1))


def test_the_lists_above_hold_every_model():
    assert {type(noise) for noise in STRONG} == set(NOISES.values())
    assert {type(noise) for noise in IDENTITY} == set(NOISES.values())
