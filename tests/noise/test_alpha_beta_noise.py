from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import AlphaBetaNoise, alpha_beta_noise, sample_rng

SAMPLES = 4000


@pytest.fixture(scope="module")
def results():
    """The clean mask, and for each alpha the noisy masks of all samples."""
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[6:14, 6:14] = 1
    noisy = {}
    for alpha in (0.3, 0.5, 0.7):
        noise = AlphaBetaNoise(alpha, 0.5)
        digest = noise.digest()
        noisy[alpha] = np.stack(
            [
                noise(mask, sample_rng(0, f"train/{i}.png", digest), num_classes=2)
                for i in range(SAMPLES)
            ]
        )
    return mask, noisy


def test_alpha_is_the_share_of_samples(results):
    mask, noisy = results
    for alpha, masks in noisy.items():
        share = (masks != mask).any(axis=(1, 2)).mean()
        assert share == pytest.approx(alpha, abs=0.025)


def test_samples_hit_at_a_smaller_alpha_are_hit_alike_at_a_larger_one(results):
    mask, noisy = results
    for small, large in ((0.3, 0.5), (0.5, 0.7)):
        hit = (noisy[small] != mask).any(axis=(1, 2))
        assert np.array_equal(noisy[small][hit], noisy[large][hit])


def test_the_three_kinds_are_equally_frequent(results):
    mask, noisy = results
    masks = noisy[0.7][(noisy[0.7] != mask).any(axis=(1, 2))]
    areas = masks.sum(axis=(1, 2))
    area = int(mask.sum())
    grown = (areas == area * 1.5).mean()
    shrunk = (areas == area * 0.5).mean()
    assert grown == pytest.approx(1 / 3, abs=0.04)
    assert shrunk == pytest.approx(1 / 3, abs=0.04)


def test_the_seed_depends_on_everything_but_alpha():
    base = AlphaBetaNoise(0.3, 0.5)
    assert AlphaBetaNoise(0.7, 0.5).digest() == base.digest()
    others = [
        AlphaBetaNoise(0.3, 0.4),
        AlphaBetaNoise(0.3, 0.5, max_angle=10),
        AlphaBetaNoise(0.3, 0.5, background=None),
    ]
    assert base.digest() not in {other.digest() for other in others}
    assert base != AlphaBetaNoise(0.7, 0.5)


def test_wrong_masks_fail_even_when_the_sample_is_not_hit(make_rng):
    with pytest.raises(ValueError, match="labels 5"):
        alpha_beta_noise(np.full((3, 3), 5), make_rng(), alpha=0, beta=0.5, num_classes=2)


@pytest.mark.parametrize(
    ("alpha", "beta", "name"),
    [(-0.1, 0.5, "alpha"), (1.1, 0.5, "alpha"), (0.5, 1.1, "beta"), (0.5, -1, "beta")],
)
def test_wrong_parameters(alpha, beta, name):
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\]"):
        AlphaBetaNoise(alpha, beta)
