from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise import AlphaBetaNoise, DilateNoise, PairNoise, SymmetricNoise
from anl_seg.noise.sequential_noise import SequentialNoise, sequential_noise


def test_each_sees_the_result_of_the_one_before(disc, make_rng):
    parts = [DilateNoise(0.3), PairNoise(1), SymmetricNoise(0.2)]
    rng = make_rng()
    expected = disc
    for part in parts:
        expected = part(expected, rng, num_classes=3)
    noisy = sequential_noise(disc, make_rng(), noises=parts, num_classes=3)
    assert np.array_equal(noisy, expected)
    other_way = sequential_noise(disc, make_rng(), noises=parts[::-1], num_classes=3)
    assert not np.array_equal(noisy, other_way)


def test_nesting_of_a_part_is_kept():
    first, second = (SequentialNoise([AlphaBetaNoise(a, 0.5)]) for a in (0.3, 0.7))
    assert first != second
    assert first.digest() == second.digest()


def test_wrong_parameters():
    with pytest.raises(ValueError, match="at least one noise, got an empty list"):
        SequentialNoise([])
    with pytest.raises(TypeError, match="models or their configs, got None"):
        SequentialNoise([None, SymmetricNoise(0.1)])
    with pytest.raises(TypeError, match=r"a dict with a 'type' or a MaskNoise, got 0\.4"):
        SequentialNoise([0.4])
