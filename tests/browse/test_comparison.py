"""The noise that is shown is the noise of training; and how numbers become words."""

from __future__ import annotations

import numpy as np
import pytest

from anl_seg.browse import formatting
from anl_seg.browse.comparison import compare_sample
from anl_seg.config import load_config
from anl_seg.corruption import config_source
from anl_seg.datasets.transforms import CorruptMask
from anl_seg.noise import NoiseStatistics, SymmetricNoise, build_noise

QUICKSTART = "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"


def test_the_same_noise_as_in_training(request):
    source = config_source(load_config(str(request.config.rootpath / QUICKSTART)))
    noise = build_noise(dict(type="AlphaBetaNoise", alpha=1.0, beta=0.5))
    transform = CorruptMask(noise, num_classes=6, seed=3)
    for index in (0, 7):
        sample = source.sample(index, True)
        compared = compare_sample(sample, noise, seed=3, num_classes=6, ignore_index=255)
        results = {"gt_seg_map": sample.mask, "sample_key": sample.key, "img": sample.image}
        assert np.array_equal(compared.noisy, transform(results)["gt_seg_map"])
        assert compared.statistics.changed_pixels == np.sum(compared.noisy != compared.clean) > 0


def test_errors_name_the_sample(source):
    settings = dict(seed=0, num_classes=2, ignore_index=255)
    with pytest.raises(ValueError, match=r"folder<0>/mask_0.png: mask holds labels 2"):
        compare_sample(source.sample(0), SymmetricNoise(0.1), **settings)
    sample = source.sample(0, True)
    sample = sample._replace(image=sample.image[:5])
    with pytest.raises(ValueError, match=r"the image is \(5, 31\) \(H, W\), the mask \(20, 31\)"):
        compare_sample(sample, SymmetricNoise(0.1), **settings)


def test_words():
    nothing = NoiseStatistics.zeros(3)
    some = NoiseStatistics(np.array([[6, 1, 1], [0, 0, 0], [0, 0, 0]]))
    assert formatting.changed(nothing) == "no valid pixel"
    assert formatting.changed(some) == "25.00 % changed (2 of 8 valid pixels)"
    assert formatting.present_classes(some) == [0, 1, 2]
    assert formatting.clean_classes(some) == [0]
    assert (
        formatting.only_noisy(some, ["a", "b", "c"])
        == "Dice 0, for only the noisy mask has them: b, c"
    )
    assert formatting.only_noisy(nothing, ["a", "b", "c"]) == ""
    assert formatting.percent(float("nan")) == formatting.dice(float("nan")) == "-"
    assert [formatting.dice(v) for v in (1.0, 0.99999, 0.5)] == ["1.000", "0.999", "0.500"]
    assert formatting.class_names(["a", "b"], 3) == ["a", "b", "class 2"]
    assert formatting.class_names(None, 1) == ["class 0"]
    assert formatting.printable("a\udcff") == "a\\udcff"
    assert formatting.shortened("0123456789", 5) == "…6789"
    assert [formatting.file_size(n) for n in (10, 20_000, 3_000_000)] == ["1 kB", "20 kB", "2.9 MB"]


def test_a_noise_in_words():
    def text(**config):
        return formatting.describe_noise(build_noise(config))

    # Without what is left at its default.
    assert text(type="AlphaBetaNoise", alpha=0.5, beta=1, background=None) == (
        "AlphaBetaNoise(alpha=0.5, beta=1, background=None)"
    )
    inner = [None, dict(type="PolygonNoise", tolerance=[0, 1 / 3])]
    assert text(type="RandomChoiceNoise", noises=inner) == (
        "RandomChoiceNoise(noises=[None, PolygonNoise(tolerance=[0, 0.333333])])"
    )
    matrix = text(type="TransitionMatrixNoise", matrix=np.eye(40))
    assert len(matrix) == 400
    assert matrix.endswith("…")
