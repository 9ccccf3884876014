"""What a slider moves, and where it stops."""

from __future__ import annotations

import inspect

import pytest

from anl_seg.browse.slider import slide
from anl_seg.browse.strength import find_strength
from anl_seg.noise import NOISES, MaskNoise, SequentialNoise, build_noise

MARKOV = dict(type="MarkovBoundaryNoise", theta1=0.8, theta2=0.05, theta3=0.2)


def noise(**config):
    return build_noise(config)


def sequence(*noises):
    return build_noise(dict(type="SequentialNoise", noises=list(noises)))


@pytest.mark.parametrize(
    ("config", "name", "values"),
    [
        (dict(type="SymmetricNoise", rate=0.4), "rate", [0, 0.1, 0.2, 0.3, 0.4, 0.7, 1]),
        (dict(type="DilateNoise", beta=0.5), "beta", [0, 0.125, 0.25, 0.375, 0.5, 0.75, 1]),
        # beta below 2: the limit itself is not allowed.
        (dict(type="AffineNoise", beta=0.8), "beta", [0, 0.2, 0.4, 0.6, 0.8, 1.2, 1.6]),
        (dict(type="AlphaBetaNoise", alpha=0.7, beta=1), "beta", [0, 1 / 6, 1 / 3, 0.5, 2 / 3, 5 / 6, 1]),
        (dict(MARKOV, steps=[0, 6, 3]), "steps", [0, 2, 3, 5, 6, 9, 12]),
        (dict(type="BandNoise", low=2.0, high=4.0), "high", [0, 1, 2, 3, 4, 6, 8]),
        (dict(type="SuperpixelNoise", n_segments=100), "n_segments", [400, 200, 150, 100, 50, 25]),
        (dict(type="ElasticNoise", alpha=30, sigma=5), "alpha", [0, 7.5, 15, 22.5, 30, 45, 60]),
        (dict(type="VertexNoise", sigma=2.0, tolerance=1.0), "sigma", [0, 0.5, 1, 1.5, 2, 3, 4]),
        (dict(type="BoundingBoxNoise"), "rate", [0, 1 / 6, 1 / 3, 0.5, 2 / 3, 5 / 6, 1]),
        (dict(type="MissingObjectNoise", rate=[0, 0.2, 0.1]), "rate", [0, 0.05, 0.1, 0.15, 0.2, 0.6, 1]),
    ],
)  # fmt: skip
def test_default_values(config, name, values):
    strength = find_strength(noise(**config))
    assert strength.name == name
    assert strength.default_values() == pytest.approx(values, abs=1e-3)
    assert strength.base in strength.default_values()


def test_the_noise_asked_for_is_the_very_same():
    model = noise(type="SymmetricNoise", rate=1 / 3)
    strength = find_strength(model)
    assert strength.noise_at(1 / 3) is model
    assert 1 / 3 in strength.default_values()


def test_lists_are_scaled_together_and_stay_whole():
    strength = find_strength(noise(**MARKOV, steps=[0, 180, 100]))
    assert strength.base == 180
    assert strength.is_list
    assert strength.noise_at(90).steps == [0, 90, 50]
    assert strength.noise_at(0).steps == [0, 0, 0]
    with pytest.raises(ValueError, match=r"steps must be a whole number, got 90\.5"):
        strength.noise_at(90.5)


def test_what_a_parameter_needs_beside_it_is_scaled_along():
    model = find_strength(noise(type="BandNoise", low=2.0, high=4.0)).noise_at(1.0)
    assert (model.low, model.high) == (0.5, 1.0)


def test_noises_inside_one_are_scaled_by_a_factor():
    model = sequence(
        dict(type="SymmetricNoise", rate=0.4),
        dict(type="SuperpixelNoise", n_segments=100),
        dict(type="BandNoise", low=2.0, high=4.0),
    )
    strength = find_strength(model)
    assert strength.name == "factor"
    assert strength.base == 1
    # 0 would take infinitely many segments.
    assert strength.default_values() == [0.25, 0.5, 0.75, 1, 1.5, 2]
    half = strength.noise_at(0.5)
    assert half.noises[0].rate == 0.2
    assert half.noises[1].n_segments == 200
    assert (half.noises[2].low, half.noises[2].high) == (1, 2)


def test_what_the_noise_does_not_allow_is_left_out():
    strength = find_strength(sequence(dict(type="SymmetricNoise", rate=0.6)))
    assert strength.default_values() == [0, 0.25, 0.5, 0.75, 1, 1.5]


def test_a_strength_by_name():
    model = noise(type="AlphaBetaNoise", alpha=0.5, beta=0.5)
    assert find_strength(model, "alpha").base == 0.5
    assert find_strength(model, "max_angle").noise_at(10).max_angle == 10
    inner = sequence(dict(type="SymmetricNoise", rate=0.4), dict(type="PairNoise", rate=0.2))
    changed = find_strength(inner, "noises.1.rate").noise_at(0.3)
    assert [n.rate for n in changed.noises] == [0.4, 0.3]


def test_no_such_strength():
    model = noise(type="AlphaBetaNoise", alpha=0.5, beta=0.5)
    with pytest.raises(
        ValueError, match=r"unknown strength of AlphaBetaNoise 'betta'\. Did you mean beta"
    ):
        find_strength(model, "betta")
    with pytest.raises(ValueError, match="background"):  # a class, no amount
        find_strength(model, "background")
    with pytest.raises(ValueError, match="rate cannot slide: it is 0 in SymmetricNoise"):
        find_strength(noise(type="SymmetricNoise", rate=0), "rate")


def test_nothing_to_slide():
    model = noise(type="TransitionMatrixNoise", matrix=[[0.9, 0.1], [0.2, 0.8]])
    assert find_strength(model) is None
    positions, start, remark = slide(model)
    assert positions == [("", model)]
    assert start == 0
    assert "no single strength" in remark
    with pytest.raises(ValueError, match="no strength to give --values of"):
        slide(model, values=[0.1])
    with pytest.raises(ValueError, match="none of its parameters is a number"):
        find_strength(model, "rate")


def test_slide_through_given_values():
    positions, start, remark = slide(
        noise(type="SymmetricNoise", rate=0.4), values=[0.5, 0, 0.5, 1]
    )
    assert [label for label, _ in positions] == ["rate 0", "rate 0.5", "rate 1"]
    assert [model.rate for _, model in positions] == [0, 0.5, 1]
    assert start == 1  # nearest to 0.4
    assert "draw of its own" in remark
    fewer, _, _ = slide(noise(type="SuperpixelNoise", n_segments=100), values=[50, 200])
    assert [label for label, _ in fewer] == ["n_segments 200", "n_segments 50"]
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 1.5"):
        slide(noise(type="SymmetricNoise", rate=0.4), values=[0, 1.5])


def test_the_remark_tells_nested_noises_from_others():
    _, _, remark = slide(noise(type="AlphaBetaNoise", alpha=0.5, beta=0.5), strength="alpha")
    assert "share their random numbers" in remark


def test_one_value_is_no_slider():
    positions, _, remark = slide(noise(type="SymmetricNoise", rate=0.4), values=[0.4])
    assert [label for label, _ in positions] == [""]
    assert "one value of rate only" in remark


PRESETS = [
    dict(type="alpha_beta", alpha=0.3, beta=0.5),
    *(dict(type=f"markov_{name}") for name in ("jsrt_j1", "jsrt_j2", "isic_i1", "isic_i2")),
    dict(type="band_jsrt_j3"),
    *(dict(type="coco_n", level=level) for level in ("easy", "medium", "hard")),
    dict(type="omission", level="mild"),
    dict(type="nsegment"),
]


@pytest.mark.parametrize("config", PRESETS, ids=lambda config: "-".join(map(str, config.values())))
def test_presets_slide(config):
    positions, start, _ = slide(build_noise(config))
    assert len(positions) >= 5
    assert positions[start][1] == build_noise(config)
    assert len({str(model.config()) for _, model in positions}) == len(positions)


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_that_declares_a_strength_or_holds_noises_slides(name):
    kind = NOISES[name]
    slides = kind.strength_name is not None or "noises" in inspect.signature(kind).parameters
    assert (find_strength(kind(**kind.example)) is not None) == slides


class BlobNoise(MaskNoise):
    def __init__(self, background: int = 0, kind: str = "round", blobs: int = 3):
        self.background, self.kind, self.blobs = background, kind, blobs


def test_a_noise_of_ones_own_slides_along_its_first_number():
    assert find_strength(BlobNoise()).name == "blobs"


def test_a_number_named_as_the_strength_of_another_noise_comes_first():
    class SpottyNoise(BlobNoise):
        def __init__(self, blobs: int = 3, rate: float = 0.1):
            self.blobs, self.rate = blobs, rate

    assert find_strength(SpottyNoise()).name == "rate"


def test_a_noise_that_holds_one_that_is_not_registered_stands_still():
    # Its config names a class that no config can build.
    strength = find_strength(SequentialNoise([BlobNoise()]))
    assert strength.is_factor
    assert strength.default_values() == [1.0]


@pytest.mark.parametrize("name", NOISES)
def test_what_a_noise_declares_as_its_strength_is_one_of_its_parameters(name):
    kind, known = NOISES[name], inspect.signature(NOISES[name]).parameters
    assert kind.strength_name is None or kind.strength_name in known
    assert set(kind.strength_companions) <= set(known)
