from __future__ import annotations

import json

import numpy as np
import pytest

from anl_seg.noise import NOISES, PRESETS, build_noise

#: A config of each preset; its parameters as in the papers.
EXAMPLES = [
    {"type": "alpha_beta", "alpha": 0.3, "beta": 0.5},
    {"type": "markov_jsrt_j1"},
    {"type": "markov_jsrt_j2"},
    {"type": "band_jsrt_j3"},
    {"type": "markov_isic_i1"},
    {"type": "markov_isic_i2"},
    {"type": "band_isic_i3"},
    {"type": "coco_n", "level": "easy"},
    {"type": "coco_n", "level": "medium"},
    {"type": "coco_n", "level": "hard"},
    {"type": "omission", "level": "mild"},
    {"type": "omission", "level": "moderate"},
    {"type": "omission", "level": "severe"},
    {"type": "nsegment"},
    {"type": "nsegment", "min_area": 1000},
]


def named(configs):
    return [pytest.param(cfg, id="-".join(map(str, cfg.values()))) for cfg in configs]


@pytest.mark.parametrize("preset", named(EXAMPLES))
def test_a_preset_is_a_model_whose_config_says_all(preset):
    noise = build_noise(preset)
    cfg = json.loads(json.dumps(noise.config()))
    assert cfg["type"] in NOISES
    assert build_noise(cfg) == noise
    assert build_noise(cfg).digest() == noise.digest()


def test_every_preset_has_an_example():
    assert {preset["type"] for preset in EXAMPLES} == set(PRESETS)
    assert not set(PRESETS) & set(NOISES)


@pytest.mark.parametrize("preset", named(EXAMPLES))
def test_presets_run_on_four_classes(preset, make_rng):
    mask = np.zeros((96, 96), dtype=np.uint8)
    mask[10:50, 10:40] = 1
    mask[20:60, 50:80] = 2
    mask[70:80, 20:70] = 3
    noise = build_noise(preset)
    changed = [(noise(mask, make_rng(i), num_classes=4) != mask).mean() for i in range(12)]
    assert 0 < np.mean(changed) < 0.6


def test_published_parameters():
    j1 = build_noise({"type": "markov_jsrt_j1"})
    assert (j1.steps[1:], j1.theta1, j1.theta2[1:], j1.theta3) == (
        [180, 180, 100],
        0.8,
        [0.05, 0.05, 0.02],
        0.2,
    )
    assert build_noise({"type": "markov_jsrt_j2"}).theta1 == 0.2
    i1, i2 = (build_noise({"type": f"markov_isic_{i}"}) for i in ("i1", "i2"))
    assert (i1.steps, i1.theta1, i2.theta1, i2.theta2) == (200, 0.2, 0.8, 0.05)
    j3, i3 = (build_noise({"type": f"band_{i}"}) for i in ("jsrt_j3", "isic_i3"))
    assert (j3.low[1:], j3.high[1:]) == ([7, 7, 3], [9, 9, 5])
    assert (i3.low, i3.high) == (7, 9)
    nsegment = build_noise({"type": "nsegment"})
    pairs = {(noise.alpha, noise.sigma) for noise in nsegment.noises[1:]}
    assert pairs == {(a, s) for a in (1, 15, 30, 50, 100) for s in (3, 5, 10)}
    assert nsegment.weights[0] == pytest.approx(sum(nsegment.weights[1:]))


@pytest.mark.parametrize(
    ("level", "share", "tolerance", "sigma", "width", "flips"),
    [("easy", 0.2, 5, 2, 3, 0.2), ("medium", 0.25, 10, 3, 5, 0.3), ("hard", 0.3, 15, 4, 7, 0.4)],
)
def test_coco_n(level, share, tolerance, sigma, width, flips):
    outline, swap = build_noise({"type": "coco_n", "level": level}).noises
    assert outline.weights == pytest.approx([1 - 3 * share, share, share, share])
    _, polygon, vertex, square = outline.noises
    assert (polygon.tolerance, vertex.sigma, swap.rate) == (tolerance, sigma, flips)
    # One object: dilated, or eroded, by a kernel of that width.
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[15:25, 15:25] = 1
    areas = {int(square(mask, np.random.RandomState(i), num_classes=2).sum()) for i in range(20)}
    assert areas == {(10 + width - 1) ** 2, (10 - width + 1) ** 2}


def test_wrong_presets():
    with pytest.raises(
        ValueError, match="level of coco_n must be one of easy, medium, hard, got 'low'"
    ):
        build_noise({"type": "coco_n", "level": "low"})
    with pytest.raises(TypeError, match="omission needs 'level'"):
        build_noise({"type": "omission"})
    with pytest.raises(ValueError, match=r"unknown noise 'coco'.*coco_n"):
        build_noise({"type": "coco"})
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\]"):
        build_noise({"type": "alpha_beta", "alpha": 2, "beta": 0.5})
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\], got 1\.5"):
        build_noise({"type": "nsegment", "probability": 1.5})
