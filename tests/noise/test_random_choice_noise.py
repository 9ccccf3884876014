from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import AlphaBetaNoise, DilateNoise, ErodeNoise, PairNoise, SymmetricNoise
from anl_seg.noise.band_noise import BandNoise
from anl_seg.noise.random_choice_noise import RandomChoiceNoise, random_choice_noise


def kinds(noise, mask, make_rng, count, num_classes=3):
    """How often the result is as clean, larger and smaller."""
    area = (mask == 2).sum()
    sizes = np.array(
        [(noise(mask, make_rng(i), num_classes=num_classes) == 2).sum() for i in range(count)]
    )
    return (sizes == area).mean(), (sizes > area).mean(), (sizes < area).mean()


def test_each_is_drawn_by_its_weight(disc, make_rng):
    small = disc[35:125, 35:125]
    noise = RandomChoiceNoise([None, DilateNoise(0.2), ErodeNoise(0.2)], weights=[5, 3, 2])
    shares = kinds(noise, small, make_rng, 600)
    assert shares == pytest.approx((0.5, 0.3, 0.2), abs=0.06)
    even = RandomChoiceNoise([None, DilateNoise(0.2), ErodeNoise(0.2)])
    assert kinds(even, small, make_rng, 600) == pytest.approx((1 / 3,) * 3, abs=0.06)


def test_one_of_weight_zero_is_never_drawn(disc, make_rng):
    for weights in ([0, 1], [1, 0]):
        noise = RandomChoiceNoise([None, DilateNoise(0.2)], weights=weights)
        changed = [
            not np.array_equal(noise(disc, make_rng(i), num_classes=3), disc) for i in range(20)
        ]
        assert set(changed) == {weights == [0, 1]}


def test_each_object_draws_for_itself(make_rng):
    mask = np.zeros((30, 600), dtype=np.uint8)
    for left in range(10, 600, 30):
        mask[10:20, left : left + 10] = 2
    wide, tight = (
        BandNoise(1.5, 1.5, dilate_probability=p, metric="chessboard", per_object=True)
        for p in (1, 0)
    )
    noise = RandomChoiceNoise([None, wide, tight], weights=[0.5, 0.25, 0.25], per_object=True)
    areas = []
    for seed in range(40):
        noisy = noise(mask, make_rng(seed), num_classes=3)
        areas += [int((part == 2).sum()) for part in np.split(noisy, 20, axis=1)]
    assert set(areas) == {100, 144, 64}
    counts = [areas.count(area) / len(areas) for area in (100, 144, 64)]
    assert counts == pytest.approx([0.5, 0.25, 0.25], abs=0.06)


def test_a_model_redraws_an_object_as_it_does_alone(disc, make_rng):
    # One object and one model: the same shapes as without the choice, over many draws.
    for model in (DilateNoise(0.3), ErodeNoise(0.3)):
        noise = RandomChoiceNoise([model], per_object=True)
        noisy = noise(disc, make_rng(), num_classes=3)
        alone = model(disc, make_rng(), num_classes=3)
        assert (noisy == 2).sum() == (alone == 2).sum()


def test_models_and_configs_are_the_same():
    models = RandomChoiceNoise([None, SymmetricNoise(0.2), PairNoise(0.1)])
    dicts = RandomChoiceNoise(
        [None, {"type": "SymmetricNoise", "rate": 0.2}, {"type": "PairNoise", "rate": 0.1}]
    )
    assert models == dicts
    assert models.config()["noises"][1] == {"type": "SymmetricNoise", "rate": 0.2}


def test_nesting_of_a_part_is_kept():
    first, second = (RandomChoiceNoise([None, AlphaBetaNoise(a, 0.5)]) for a in (0.3, 0.7))
    assert first != second
    assert first.digest() == second.digest()
    assert first.digest() != RandomChoiceNoise([None, AlphaBetaNoise(0.3, 0.7)]).digest()


def test_wrong_masks_fail_even_when_nothing_is_drawn(make_rng):
    with pytest.raises(ValueError, match="labels 5"):
        random_choice_noise(np.full((3, 3), 5), make_rng(), noises=[None], num_classes=2)


def test_wrong_parameters():
    with pytest.raises(ValueError, match="at least one noise, got an empty list"):
        RandomChoiceNoise([])
    with pytest.raises(TypeError, match="noises must be a list of noises, got 'SymmetricNoise'"):
        RandomChoiceNoise("SymmetricNoise")
    with pytest.raises(TypeError, match=r"must be a list of noises, got \{'type'"):
        RandomChoiceNoise({"type": "SymmetricNoise", "rate": 0.1})
    with pytest.raises(ValueError, match=r"one number for each of 2 noises, got \[1\]"):
        RandomChoiceNoise([None, SymmetricNoise(0.1)], weights=[1])
    with pytest.raises(ValueError, match=r"weights\[0\] must lie in \[0, inf\), got -1"):
        RandomChoiceNoise([None, SymmetricNoise(0.1)], weights=[-1, 2])
    with pytest.raises(ValueError, match=r"at least one weight must be above 0, got \[0, 0\]"):
        RandomChoiceNoise([None, SymmetricNoise(0.1)], weights=[0, 0])
    with pytest.raises(ValueError, match="by itself; SymmetricNoise does not"):
        RandomChoiceNoise([None, SymmetricNoise(0.1)], per_object=True)
