from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anl_seg.noise.image_features import local_features
from anl_seg.noise.instance_dependent_noise import (
    InstanceDependentNoise,
    flip_probabilities,
    instance_dependent_noise,
)

# The module, not the function of the same name that the package may export.
module = importlib.import_module("anl_seg.noise.instance_dependent_noise")

#: Colors (blue, green, red) that differ in brightness and in hue.
DARK, BRIGHT, BLUE = (40, 40, 40), (210, 210, 210), (200, 90, 30)


def scene(size, seed=0):
    """(size, size, 3) uint8 with patches of all colors, some of them textured."""
    random = np.random.RandomState(seed)
    patches = -(-size // 8)
    color = np.kron(random.random(size=(patches, patches, 3)) * 255, np.ones((8, 8, 1)))
    texture = np.kron(random.random(size=(patches, patches, 1)) * 40, np.ones((8, 8, 1)))
    image = color[:size, :size] + texture[:size, :size] * random.normal(size=(size, size, 1))
    return np.clip(image, 0, 255).astype(np.uint8)


def halves(left, right, size=128):
    """(size, size, 3) uint8 of two colors side by side."""
    image = np.empty((size, size, 3), dtype=np.uint8)
    image[:, : size // 2], image[:, size // 2 :] = left, right
    return image


def slow_noise(mask, image, draws, rate, strength, num_classes):
    """Pixel by pixel in floats, from the definition; and whether rounding cannot change the flip."""
    u, w = module._projections(0, num_classes)
    features = np.stack(local_features(image)) / 64
    score = np.clip(np.tensordot(u / 256, features, 1), -8, 8)
    low, high = -900.0, 900.0
    while high - low > 1e-9:
        bias = (low + high) / 2
        probability = 1 / (1 + np.exp(-np.clip(bias + strength * score, -300, 300)))
        low, high = (low, bias) if probability[mask != 255].mean() > rate else (bias, high)
    flip = draws[0] < probability
    certain = np.abs(draws[0] - probability) > 1e-4 + strength / 200
    noisy = mask.copy()
    for index in np.argwhere(flip & (mask != 255)):
        index = tuple(index)
        limits = np.array([[-2, 2], [0, 4], [-2, 2], [-2, 2]])
        rounded = np.floor(features[(slice(None), *index)] * 2 + 0.5) / 2
        rounded = np.clip(rounded, limits[:, 0], limits[:, 1])
        weight = [math.exp(strength * v) for v in rounded @ w[mask[index]]]
        weight[mask[index]] = 0
        total = 0
        for label, value in enumerate(weight):
            total += value / sum(weight)
            if draws[1][index] < total:
                noisy[index] = label
                break
    return noisy, certain


@pytest.mark.parametrize(("rate", "strength"), [(0.3, 1), (0.7, 0.2), (0.5, 2.5), (0.9, 0)])
def test_slow_oracle(make_rng, rate, strength):
    image = scene(40)
    mask = np.floor(make_rng(1).random((40, 40)) * 6).astype(np.uint8)
    mask[mask == 5] = 255
    random = make_rng()
    draws = random.random(mask.shape), random.random(mask.shape)
    expected, certain = slow_noise(mask, image, draws, rate, strength, num_classes=5)
    noisy = instance_dependent_noise(
        mask, make_rng(), image=image, rate=rate, strength=strength, num_classes=5
    )
    assert certain.mean() > 0.95
    assert np.array_equal(noisy[certain], expected[certain])


@pytest.mark.parametrize("rate", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("strength", [0, 1, 4])
def test_mean_rate_is_held(stripes, make_rng, rate, strength):
    noise = InstanceDependentNoise(rate, strength)
    valid = stripes != 255
    noisy = noise(stripes, make_rng(), num_classes=5, image=scene(512))
    assert np.array_equal(noisy == 255, ~valid)
    assert (noisy != stripes)[valid].mean() == pytest.approx(rate, abs=0.005)
    # In a small mask the draws alone make the share vary; its mean over masks does not.
    small = stripes[::8, ::8]
    shares = []
    for seed in range(30):
        noisy = noise(small, make_rng(seed), num_classes=5, image=scene(64, seed))
        shares.append((noisy != small)[small != 255].mean())
    assert np.mean(shares) == pytest.approx(rate, abs=0.006)


def test_a_rate_per_class_is_held_in_each_class(stripes, make_rng):
    rates = [0.1, 0.5, 0, 1, 0.9]
    noise = InstanceDependentNoise(rates, strength=2)
    noisy = noise(stripes, make_rng(), num_classes=5, image=scene(512))
    for label, rate in enumerate(rates):
        share = (noisy != stripes)[stripes == label].mean()
        assert share == pytest.approx(rate, abs=0.01 if 0 < rate < 1 else 0)
    assert noise.config()["rate"] == rates
    with pytest.raises(ValueError, match="rate lists 5 values"):
        noise(stripes, make_rng(), num_classes=6, image=scene(512))


@given(
    counts=arrays(np.int64, (3, 1024), elements=st.sampled_from([0, 0, 0, 1, 7, 10**6])),
    rates=arrays(np.float64, 3, elements=st.floats(0, 1)),
    strength=st.sampled_from([0, 0.1, 1, 10, 100]),
)
def test_probabilities_have_the_mean_that_was_asked_for(counts, rates, strength):
    probability = flip_probabilities(counts, rates, strength)
    assert probability.shape == (3, 1024)
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert (np.diff(probability) >= 0).all()
    for group in np.flatnonzero(counts.any(axis=1)):
        mean = np.average(probability[group], weights=counts[group])
        assert mean == pytest.approx(rates[group], abs=1e-4)


def test_probability_is_a_sigmoid_of_the_score():
    probability = flip_probabilities(np.ones((1, 1024), dtype=np.int64), np.array([0.3]), 0.7)[0]
    logit = np.log(probability / (1 - probability))
    assert np.diff(logit) == pytest.approx(0.7 / 64, abs=1e-5)


def test_bright_and_dark_flip_at_rates_of_their_own(make_rng):
    mask = np.zeros((128, 128), dtype=np.uint8)
    image = halves(DARK, BRIGHT)
    # In projection 1 the score is brightness, and 170 levels are 2.66 units.
    assert module._projections(1, 3)[0][:2] == pytest.approx([256, 7], abs=1)
    noise = InstanceDependentNoise(0.3, strength=1, projection_seed=1)
    flipped = noise(mask, make_rng(), num_classes=3, image=image) != 0
    dark, bright = flipped[:, :60].mean(), flipped[:, 68:].mean()
    assert bright > 4 * dark
    log_odds = math.log(bright / (1 - bright)) - math.log(dark / (1 - dark))
    assert log_odds == pytest.approx(170 / 64, abs=0.2)
    # A stronger dependence parts them further.
    noise = InstanceDependentNoise(0.3, strength=3, projection_seed=1)
    flipped = noise(mask, make_rng(), num_classes=3, image=image) != 0
    assert flipped[:, :60].mean() < 0.01
    assert flipped[:, 68:].mean() > 0.5


def test_texture_matters_at_equal_brightness(make_rng):
    board = np.indices((128, 128)).sum(axis=0) % 2
    image = np.full((128, 128), 128, dtype=np.uint8)
    image[:, 64:] += ((board * 2 - 1) * 30).astype(np.uint8)[:, 64:]
    mask = np.zeros((128, 128), dtype=np.uint8)
    # In projection 0 the weight of contrast is 131 / 256, and 30 levels are 1.88 units.
    noise = InstanceDependentNoise(0.3, strength=2)
    flipped = noise(mask, make_rng(), num_classes=3, image=image) != 0
    assert flipped[:, 68:].mean() > 3 * flipped[:, :60].mean()


@pytest.mark.parametrize("projection_seed", range(6))
def test_no_projection_is_blind_to_grey_or_to_hue(projection_seed):
    weights = module._projections(projection_seed, 2)[0] / 256
    assert np.hypot(weights[0], weights[1]) == pytest.approx(1, abs=0.01)
    assert np.hypot(weights[2], weights[3]) == pytest.approx(1, abs=0.01)


def shares(noisy, mask, label, columns, num_classes):
    """What the flipped pixels of a class became, within some columns."""
    pixels = (mask == label)[:, columns]
    counts = np.bincount(noisy[:, columns][pixels], minlength=num_classes).astype(float)
    counts[label] = 0
    return counts / counts.sum()


def distance(first, second):
    """Half of the sum of absolute differences: 0 for equal, 1 for disjoint distributions."""
    return np.abs(first - second).sum() / 2


def test_targets_depend_on_content_and_class(make_rng):
    mask = np.tile(np.arange(128, dtype=np.uint8) // 2 % 2, (128, 1))
    noise = InstanceDependentNoise(0.5, strength=1)
    noisy = noise(mask, make_rng(), num_classes=5, image=halves(DARK, BRIGHT))
    dark, bright = slice(0, 60), slice(68, 128)
    seen = {
        (label, name): shares(noisy, mask, label, columns, 5)
        for label in (0, 1)
        for name, columns in (("dark", dark), ("bright", bright))
    }
    for label in (0, 1):
        assert seen[label, "dark"][label] == 0
        assert distance(seen[label, "dark"], seen[label, "bright"]) > 0.2
    assert distance(seen[0, "dark"], seen[1, "dark"]) > 0.2


def test_equal_content_has_equal_tendencies_in_every_image(make_rng):
    # The dark and the bright half change places, beside other colors; the key is another too.
    mask = np.tile(np.arange(192, dtype=np.uint8) // 2 % 2, (192, 1))
    first = np.concatenate(
        [halves(DARK, BRIGHT, 192)[:, 32:160], halves(BLUE, BLUE, 64)[[0] * 192]], 1
    )
    second = np.concatenate(
        [halves(BRIGHT, DARK, 192)[:, 32:160], halves((0, 0, 0), (0, 0, 0), 64)[[0] * 192]], 1
    )
    noise = InstanceDependentNoise(0.4, strength=1, projection_seed=3)
    one = noise(mask, make_rng(1), num_classes=4, image=first)
    two = noise(mask, make_rng(2), num_classes=4, image=second)
    left, right = slice(0, 60), slice(68, 124)
    log_odds = []
    for noisy, dark, bright in ((one, left, right), (two, right, left)):
        odds = [
            flipped.mean() / (1 - flipped.mean())
            for flipped in ((noisy != mask)[:, dark], (noisy != mask)[:, bright])
        ]
        log_odds.append(math.log(odds[0] / odds[1]))
    assert abs(log_odds[0]) > 0.5
    assert log_odds[0] == pytest.approx(log_odds[1], abs=0.15)
    for label in (0, 1):
        for columns, same in ((left, right), (right, left)):
            seen = shares(one, mask, label, columns, 4)
            assert distance(seen, shares(two, mask, label, same, 4)) < 0.06


def test_an_image_without_structure_flips_at_one_rate(stripes, make_rng):
    image = halves(BLUE, BLUE, 512)
    noisy = InstanceDependentNoise(0.4, 5)(stripes, make_rng(), num_classes=5, image=image)
    flipped, valid = noisy != stripes, stripes != 255
    for label in range(5):
        assert flipped[stripes == label].mean() == pytest.approx(0.4, abs=0.015)
    for part in np.s_[:, :256], np.s_[:, 256:], np.s_[:100], np.s_[400:]:
        assert flipped[part][valid[part]].mean() == pytest.approx(0.4, abs=0.015)


def test_strength_0_is_symmetric_noise(stripes, make_rng):
    noisy = InstanceDependentNoise(0.6, 0)(stripes, make_rng(), num_classes=5, image=scene(512))
    for label in range(5):
        counts = np.bincount(noisy[stripes == label], minlength=5) / (stripes == label).sum()
        expected = np.where(np.arange(5) == label, 0.4, 0.15)
        assert counts == pytest.approx(expected, abs=0.015)


def test_rates_0_and_1(stripes, make_rng):
    image = scene(512)
    for strength in (0, 1, 100):
        noisy = InstanceDependentNoise(0, strength)(stripes, make_rng(), num_classes=5, image=image)
        assert np.array_equal(noisy, stripes)
        noisy = InstanceDependentNoise(1, strength)(stripes, make_rng(), num_classes=5, image=image)
        assert np.array_equal(noisy == stripes, stripes == 255)


def test_nested_in_the_rate(stripes, make_rng):
    image = scene(512)
    weak, strong = InstanceDependentNoise(0.2), InstanceDependentNoise(0.5)
    assert weak.digest() == strong.digest()
    assert weak.digest() != InstanceDependentNoise(0.2, 2).digest()
    assert weak.digest() != InstanceDependentNoise(0.2, projection_seed=1).digest()
    first = weak(stripes, make_rng(), num_classes=5, image=image)
    second = strong(stripes, make_rng(), num_classes=5, image=image)
    flipped = first != stripes
    assert np.array_equal(first[flipped], second[flipped])


def test_the_projection_is_a_parameter_and_not_of_the_sample(make_rng):
    image, mask = scene(64), np.zeros((64, 64), dtype=np.uint8)
    first, second = (
        InstanceDependentNoise(0.4, 2, seed)(mask, make_rng(), num_classes=3, image=image)
        for seed in (0, 1)
    )
    assert (first != second).mean() > 0.1
    # Pinned: every study depends on it.
    score, target = module._projections(0, 3)
    assert score.tolist() == [-220, 131, 232, 108]
    assert (target[0, 0] * 256).tolist() == [187, 19, -200]


def test_grey_and_float_images(make_rng):
    image, mask = scene(64), np.zeros((64, 64), dtype=np.uint8)
    noise = InstanceDependentNoise(0.4, 2)

    def call(image):
        return noise(mask, make_rng(), num_classes=3, image=image)

    grey = image[..., 0]
    assert np.array_equal(call(grey), call(np.stack([grey] * 3, axis=2)))
    assert np.array_equal(call(image.astype(np.float32)), call(image))
    assert not np.array_equal(call(image), call(image[..., ::-1]))


def test_it_asks_for_the_image(make_rng):
    noise = InstanceDependentNoise(0.4)
    assert noise.needs_image
    with pytest.raises(ValueError, match=r"InstanceDependentNoise looks at the image"):
        noise(np.zeros((4, 4), np.uint8), make_rng(), num_classes=2)


class Draws(np.random.RandomState):
    """A generator whose uniform numbers are all the same."""

    def __init__(self, value):
        super().__init__(0)
        self.value = value

    def random(self, size=None):
        return np.full(size, self.value)


@pytest.mark.parametrize("draw", [0.0, np.nextafter(1, 0)])
def test_the_extreme_draws_never_keep_the_class(draw):
    mask = np.repeat(np.arange(4, dtype=np.uint8)[None], 4, axis=0)
    for strength in (0, 100):
        noisy = instance_dependent_noise(
            mask, Draws(draw), image=scene(4), rate=1, strength=strength, num_classes=4
        )
        assert (noisy != mask).all()
        assert noisy.max() <= 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (0, 5), (5, 0), (3, 2)])
def test_small_masks(make_rng, shape):
    image = np.zeros((*shape, 3), dtype=np.uint8)
    for dtype in (np.uint8, np.uint16, np.int64, np.uint64):
        mask = np.ones(shape, dtype=dtype)
        noisy = InstanceDependentNoise(1)(mask, make_rng(), num_classes=2, image=image)
        assert np.array_equal(noisy, 1 - mask)
        assert noisy.dtype == dtype
        mask[:] = 255
        noisy = InstanceDependentNoise([1, 1])(mask, make_rng(), num_classes=2, image=image)
        assert np.array_equal(noisy, mask)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (dict(rate=1.1), r"rate must lie in \[0, 1\], got 1\.1"),
        (dict(rate=[0.5, -0.1]), r"rate\[1\] must lie in \[0, 1\], got -0\.1"),
        (dict(rate=None), "rate must be a finite number"),
        (dict(rate=0.5, strength=-1), r"strength must lie in \[0, 100\], got -1"),
        (dict(rate=0.5, strength=101), r"strength must lie in \[0, 100\], got 101"),
        (dict(rate=0.5, projection_seed=-1), "projection_seed must be an integer of at least 0"),
        (dict(rate=0.5, projection_seed=0.5), "projection_seed must be an integer of at least 0"),
    ],
)
def test_wrong_parameters(parameters, message, make_rng):
    with pytest.raises(ValueError, match=message):
        InstanceDependentNoise(**parameters)
    with pytest.raises(ValueError, match=message):
        instance_dependent_noise(
            np.zeros((3, 3), np.uint8), make_rng(), image=scene(3), num_classes=2, **parameters
        )
