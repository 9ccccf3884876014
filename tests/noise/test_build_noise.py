from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import anl_seg.noise
from anl_seg.noise import NOISES, AlphaBetaNoise, MaskNoise, SymmetricNoise, build_noise

#: The examples of all models, and settings with every parameter away from its default.
EXAMPLES = {
    **{
        name: build_noise(dict(type=name, **kind.example)).parameters()
        for name, kind in NOISES.items()
    },
    "SymmetricNoise": {"rate": 0.4},
    "PairNoise": {"rate": 0.2},
    "TransitionMatrixNoise": {"matrix": [[0.9, 0.1], [0.25, 0.75]]},
    "InstanceDependentNoise": {"rate": 0.3, "strength": 2.0, "projection_seed": 4},
    "SuperpixelNoise": {"n_segments": 50, "compactness": 2},
    "DilateNoise": {"beta": 0.3, "background": None, "per_object": True},
    "ErodeNoise": {"beta": 0.3, "background": 1, "per_object": False},
    "AffineNoise": {"beta": 0.3, "max_angle": 10.0, "background": 0, "per_object": True},
    "AlphaBetaNoise": {
        "alpha": 0.3,
        "beta": 0.5,
        "max_angle": 30.0,
        "background": 0,
        "per_object": True,
    },
    "BandNoise": {
        "low": [0.0, 7.0],
        "high": 9.0,
        "dilate_probability": 0.5,
        "metric": "chessboard",
        "per_object": True,
        "background": 0,
    },
    "MarkovBoundaryNoise": {
        "steps": 180,
        "theta1": 0.8,
        "theta2": [0.0, 0.05],
        "theta3": 0.2,
        "per_object": False,
        "background": 0,
    },
    "ElasticNoise": {"alpha": 30.0, "sigma": 3.0, "min_area": 100},
    "PolygonNoise": {"tolerance": 5.0, "background": None},
    "VertexNoise": {"sigma": 2.0, "tolerance": 1.0, "background": 0},
    "BoundingBoxNoise": {"rate": 1.0, "per_object": True, "background": 0},
    "ClassSwapNoise": {
        "rate": 0.3,
        "matrix": None,
        "may_keep": True,
        "per_object": True,
        "background": 0,
    },
    "MissingObjectNoise": {"rate": [0.0, 0.3], "per_object": True, "background": 0},
    "SpuriousObjectNoise": {"rate": 0.1, "shapes": [[1, 0.1, 0.5]], "background": 0},
    "RandomChoiceNoise": {
        "noises": [None, {"type": "SymmetricNoise", "rate": 0.4}],
        "weights": [1.0, 2.0],
        "per_object": False,
        "background": 0,
    },
    "SequentialNoise": {"noises": [{"type": "PairNoise", "rate": 0.4}]},
}


def test_every_model_has_an_example():
    assert set(EXAMPLES) == set(NOISES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_config_builds_an_equal_model(name):
    cfg = dict(type=name, **EXAMPLES[name])
    noise = build_noise(cfg)
    assert type(noise) is NOISES[name]
    assert noise.config() == cfg
    again = build_noise(json.loads(json.dumps(noise.config())))
    assert again == noise
    assert hash(again) == hash(noise)
    assert again.digest() == noise.digest()
    assert eval(repr(noise), dict(NOISES)) == noise
    assert build_noise(noise) is noise
    assert build_noise(dict(cfg, type=f"anl_seg.{name}")) == noise
    assert build_noise(dict(cfg, type=NOISES[name])) == noise
    assert cfg["type"] == name


def test_defaults_are_part_of_the_config():
    cfg = build_noise({"type": "AlphaBetaNoise", "alpha": 0.3, "beta": 0.5}).config()
    assert cfg == {
        "type": "AlphaBetaNoise",
        "alpha": 0.3,
        "beta": 0.5,
        "max_angle": 30.0,
        "background": 0,
        "per_object": True,
    }


def test_equal_numbers_give_equal_digests():
    assert SymmetricNoise(1) == SymmetricNoise(1.0)
    assert SymmetricNoise(1).digest() == SymmetricNoise(1.0).digest()
    assert SymmetricNoise(-0.0).digest() == SymmetricNoise(0).digest()


def test_digests_differ_by_type_and_parameters():
    noises = [build_noise(dict(type=name, **EXAMPLES[name])) for name in EXAMPLES]
    noises += [SymmetricNoise(0.2), SymmetricNoise(0.1)]
    assert len({noise.digest() for noise in noises}) == len(noises)
    assert len(set(noises)) == len(noises)
    assert noises[0] != "SymmetricNoise"


def test_errors():
    with pytest.raises(ValueError, match=r"unknown noise 'SymetricNoise'.*mean SymmetricNoise"):
        build_noise({"type": "SymetricNoise", "rate": 0.4})
    with pytest.raises(ValueError, match=r"unknown noise 'mmseg\.SymmetricNoise'"):
        build_noise({"type": "mmseg.SymmetricNoise", "rate": 0.4})
    with pytest.raises(ValueError, match="unknown noise 3"):
        build_noise({"type": 3})
    with pytest.raises(ValueError, match=r"needs a 'type', got \{'rate': 0\.4\}"):
        build_noise({"rate": 0.4})
    with pytest.raises(TypeError, match="does not know 'ratio'; its parameters are: rate"):
        build_noise({"type": "SymmetricNoise", "rate": 0.4, "ratio": 0.4})
    with pytest.raises(TypeError, match=r"AlphaBetaNoise needs 'alpha', 'beta'; .*max_angle"):
        build_noise({"type": "AlphaBetaNoise"})
    with pytest.raises(TypeError, match="must be a dict with a 'type' or a MaskNoise, got 'Sym"):
        build_noise("SymmetricNoise")
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 4.0"):
        build_noise({"type": "SymmetricNoise", "rate": 4})


def test_seeding_parameters_default_to_all():
    assert SymmetricNoise(0.3).seeding_parameters() == {"rate": 0.3}
    assert "alpha" not in AlphaBetaNoise(0.3, 0.5).seeding_parameters()


def test_the_base_class_says_what_is_missing(make_rng):
    class Unfinished(MaskNoise):
        def __init__(self):
            pass

    with pytest.raises(NotImplementedError, match="Unfinished does not implement corrupt"):
        Unfinished()(np.zeros((2, 2), np.uint8), make_rng(), num_classes=2)


def test_every_public_name_exists():
    assert all(hasattr(anl_seg.noise, name) for name in anl_seg.noise.__all__)
    assert set(NOISES) <= set(anl_seg.noise.__all__)


@pytest.mark.process
def test_import_needs_no_torch_and_no_mmseg():
    code = (
        "import sys, anl_seg.noise\n"
        "print([m for m in ('mmseg', 'mmengine', 'mmcv', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
