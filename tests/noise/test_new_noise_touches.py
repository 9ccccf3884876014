"""A new noise model touches at most five files, see CONTRIBUTING.md."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import anl_seg.noise
from anl_seg.noise import NOISES, PRESETS, register_noise
from anl_seg.noise.dilate_noise import DilateNoise

ROOT = Path(__file__).parents[2]
#: What each model has for itself, and what names every model by hand.
OWN = ("anl_seg/noise/{stem}.py", "tests/noise/test_{stem}.py")
LISTS = ("anl_seg/noise/__init__.py", "docs/noise_models.md", "tests/noise/pinned_hashes.py")
#: Each row there measures in its own way what a parameter gets; a model can do without.
OPTIONAL = ("benchmarks/noise_strength.py",)
GENERATED = ("docs/noise_strength.md", "docs/noise_speed.md")


def stem(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def files_that_name_every_model() -> set[str]:
    """The files, none of a program's, in which every model stands by its name."""
    found = set()
    for folder in ("anl_seg", "benchmarks", "docs", "tests"):
        for path in ROOT.joinpath(folder).rglob("*"):
            if path.suffix in (".py", ".md", ".json"):
                text = path.read_text(encoding="utf-8")
                if all(re.search(rf"\b{name}\b", text) for name in NOISES):
                    found.add(path.relative_to(ROOT).as_posix())
    return found - {*GENERATED, *OPTIONAL}


@pytest.fixture
def new_noise():
    """A model that is registered and entered nowhere else."""
    try:

        @register_noise(example=dict(beta=0.5), no_noise=dict(beta=0))
        class BrandNewNoise(DilateNoise):
            pass

        yield BrandNewNoise
    finally:
        NOISES.pop("BrandNewNoise", None)


def test_each_model_has_its_files():
    for name in NOISES:
        for path in OWN:
            assert ROOT.joinpath(path.format(stem=stem(name))).is_file(), (name, path)


def test_a_new_model_is_entered_in_at_most_five_files():
    # Files that name every model because they vary its settings are not asked for a new one; the
    # next test holds that.
    may_vary = {"tests/noise/test_build_noise.py", "tests/noise/test_noise_properties.py"}
    assert files_that_name_every_model() - may_vary == set(LISTS)
    assert len(OWN) + len(LISTS) <= 5


def test_tests_benchmarks_and_pictures_take_a_new_model_from_the_registry(new_noise):
    name = new_noise.__name__
    properties = runpy.run_path(str(ROOT / "tests/noise/test_noise_properties.py"))
    for group in ("RESHAPING", "STRONG", "IDENTITY", "BACKGROUND"):
        assert any(type(noise) is new_noise for noise in properties[group]), group
    limits = runpy.run_path(str(ROOT / "tests/noise/test_noise_limits.py"))
    assert any(type(noise) is new_noise for noise in limits["ANY"])
    assert name in runpy.run_path(str(ROOT / "tests/noise/test_build_noise.py"))["EXAMPLES"]
    assert name in runpy.run_path(str(ROOT / "benchmarks/noise_models.py"))["settings"]()
    assert name in runpy.run_path(str(ROOT / "docs/draw_noise_models.py"))["pictures"]()


def test_only_the_lists_by_hand_ask_for_a_new_model(new_noise):
    pinned = runpy.run_path(str(ROOT / "tests/noise/test_pinned_noise.py"))
    with pytest.raises(AssertionError):
        pinned["test_every_model_and_preset_is_pinned"]()
    page = runpy.run_path(str(ROOT / "tests/noise/test_docs.py"))
    with pytest.raises(AssertionError):
        page["test_every_model_and_preset_has_its_place_and_picture"]()
    assert new_noise.__name__ not in anl_seg.noise.__all__
    assert set(NOISES) - {new_noise.__name__} <= set(anl_seg.noise.__all__)
    assert not set(PRESETS) & set(NOISES)
