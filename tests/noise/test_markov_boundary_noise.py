from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

from anl_seg.noise import sample_rng
from anl_seg.noise.markov_boundary_noise import MarkovBoundaryNoise, markov_boundary_noise
from tests.references.markov_boundary import markov_boundary, smooth

LONG = settings.get_current_profile_name() == "long"


@pytest.fixture(scope="module")
def organ():
    """(48, 48) uint8, a blob of class 1 with a hole, at the edge of the image."""
    y, x = np.indices((48, 48))
    blob = ((y - 20) / 15) ** 2 + ((x - 14) / 16) ** 2 < 1
    return (blob & ~((y - 18) ** 2 + (x - 14) ** 2 < 12)).astype(np.uint8)


def dice_and_area(clean, noisy):
    noisy = noisy == 1
    both = clean.sum() + noisy.sum()
    return 2 * (clean.astype(bool) & noisy).sum() / both, noisy.sum() / clean.sum()


def moments(values):
    """Mean, its standard error, standard deviation, its standard error (by the fourth moment)."""
    values = np.asarray(values)
    n, mean, deviation = len(values), values.mean(), values.std(ddof=1)
    fourth = ((values - mean) ** 4).mean()
    error = np.sqrt(max(fourth - deviation**4, 0) / n) / (2 * deviation)
    return mean, deviation / np.sqrt(n), deviation, error


@pytest.mark.parametrize(
    ("steps", "theta1", "theta2", "theta3"),
    [(40, 0.8, 0.05, 0.2), (40, 0.2, 0.05, 0.2), (25, 0.5, 0.3, 0.0), (0, 0.5, 0.5, 0.4)],
)
def test_distribution_is_that_of_the_slow_process(organ, steps, theta1, theta2, theta3):
    parameters = {"steps": steps, "theta1": theta1, "theta2": theta2, "theta3": theta3}
    runs = 400 if steps == 0 else 200 if LONG else 100
    noise = MarkovBoundaryNoise(**parameters)
    rng = np.random.default_rng(7)
    slow, fast = [], []
    for run in range(runs):
        slow.append(dice_and_area(organ, markov_boundary(organ, rng, **parameters)))
        noisy = noise(organ, sample_rng(run, "k", noise.digest()), num_classes=2)
        fast.append(dice_and_area(organ, noisy))
    for a, b in zip(zip(*slow), zip(*fast)):
        mean_a, error_a, spread_a, spread_error_a = moments(a)
        mean_b, error_b, spread_b, spread_error_b = moments(b)
        # Three standard errors here: eight comparisons; the study on JSRT masks takes two.
        assert abs(mean_a - mean_b) < 3 * np.hypot(error_a, error_b)
        assert abs(spread_a - spread_b) < 3 * np.hypot(spread_error_a, spread_error_b)


def test_without_chance_it_grows_by_one_ring_a_step(make_rng):
    # theta2 = 1: each step adds the 4-connected outer ring; then the blur rounds the corners.
    mask = np.zeros((41, 41), dtype=np.uint8)
    mask[20, 20] = 1
    noisy = markov_boundary_noise(
        mask, make_rng(), steps=8, theta1=1, theta2=1, theta3=0, num_classes=2
    )
    y, x = np.indices(mask.shape)
    assert np.array_equal(noisy == 1, smooth(abs(y - 20) + abs(x - 20) <= 8))


def test_without_chance_it_shrinks_by_one_ring_a_step(make_rng):
    mask = np.zeros((41, 41), dtype=np.uint8)
    mask[10:31, 10:31] = 1
    noisy = markov_boundary_noise(
        mask, make_rng(), steps=4, theta1=0, theta2=1, theta3=0, num_classes=2
    )
    expected = np.zeros_like(mask)
    expected[14:27, 14:27] = 1
    assert np.array_equal(noisy == 1, smooth(expected))


def test_the_edge_of_the_image_and_ignored_pixels_are_no_outline(make_rng):
    mask = np.zeros((30, 30), dtype=np.uint8)
    mask[:, :10] = 1
    mask[:, 10:14] = 255
    shrunk = markov_boundary_noise(
        mask, make_rng(), steps=5, theta1=0, theta2=1, theta3=0, num_classes=2
    )
    assert np.array_equal(shrunk, mask)


def test_classes_have_their_own_parameters(make_rng):
    mask = np.zeros((60, 120), dtype=np.uint8)
    mask[20:40, 20:40] = 1
    mask[20:40, 80:100] = 2
    noisy = markov_boundary_noise(
        mask,
        make_rng(),
        steps=[9, 10, 10],
        theta1=[0.5, 1, 0],
        theta2=[1, 0.5, 0.5],
        theta3=0,
        num_classes=3,
    )
    assert (noisy == 1).sum() > 1.5 * (mask == 1).sum()
    assert 0 < (noisy == 2).sum() < 0.5 * (mask == 2).sum()


def test_objects_of_a_class_share_their_steps_or_do_not(make_rng):
    mask = np.zeros((60, 120), dtype=np.uint8)
    mask[20:40, 20:40] = mask[20:40, 80:100] = 1
    differ = {}
    for per_object in (False, True):
        halves = []
        for seed in range(20):
            noisy = markov_boundary_noise(
                mask,
                make_rng(seed),
                steps=12,
                theta1=0.5,
                theta2=1,
                theta3=0,
                num_classes=2,
                per_object=per_object,
            )
            halves.append([(half == 1).sum() for half in np.split(noisy, 2, axis=1)])
        differ[per_object] = sum(left != right for left, right in halves)
    assert differ[False] == 0
    assert differ[True] > 10


def test_an_object_that_vanishes_stays_away(make_rng):
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[8:11, 8:11] = 1
    noisy = markov_boundary_noise(
        mask, make_rng(), steps=30, theta1=0, theta2=1, theta3=0, num_classes=2
    )
    assert not noisy.any()


def test_parameters_in_lists_are_part_of_the_config():
    noise = MarkovBoundaryNoise([0, 180], 0.8, (0, 0.05), 0.2)
    assert noise.config() == {
        "type": "MarkovBoundaryNoise",
        "steps": [0, 180],
        "theta1": 0.8,
        "theta2": [0.0, 0.05],
        "theta3": 0.2,
        "per_object": False,
        "background": 0,
    }


def test_wrong_parameters(make_rng):
    with pytest.raises(ValueError, match="steps must be an integer of at least 0, got -1"):
        MarkovBoundaryNoise(-1, 0.5, 0.5, 0)
    with pytest.raises(ValueError, match=r"theta2\[1\] must lie in \[0, 1\], got 1.5"):
        MarkovBoundaryNoise(1, 0.5, [0, 1.5], 0)
    with pytest.raises(ValueError, match="per_object must be True or False, got 1"):
        MarkovBoundaryNoise(1, 0.5, 0.5, 0, per_object=1)
    noise = MarkovBoundaryNoise([1, 2], 0.5, 0.5, 0)
    with pytest.raises(ValueError, match=r"steps lists 2 values, one for each class; .* 3 classes"):
        noise(np.zeros((3, 3), np.uint8), make_rng(), num_classes=3)
