"""What docs/noise_models.md shows can be run, and shows every model and preset."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import anl_seg.noise
from anl_seg.noise import NOISES, PRESETS, build_noise, save_object_shapes

PAGE = Path(__file__).parents[2] / "docs" / "noise_models.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def files_named_on_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_object_shapes(tmp_path / "shapes.json", [[1, 0.05, 0.5]])
    np.savetxt(tmp_path / "confusion.csv", np.eye(4), delimiter=",")


@pytest.mark.parametrize("code", re.findall(r"^- config: (.*)$", TEXT, re.M))
def test_configs(code):
    for part in re.findall(r"`(.*?)`", code):
        build_noise(eval(part))


@pytest.mark.parametrize("code", re.findall(r"^- Python: `(.*)`$", TEXT, re.M))
def test_calls(code):
    random = np.random.RandomState(0)
    names = dict(vars(anl_seg.noise))
    names.update(
        clean=random.randint(0, 4, size=(24, 24)).astype(np.uint8),
        image=random.randint(0, 256, size=(24, 24, 3)).astype(np.uint8),
        rng=random,
    )
    assert eval(code, names).shape == (24, 24)


def test_blocks():
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(block, names)
    assert names["noisy"].shape == names["clean"].shape


def test_every_model_and_preset_has_its_place_and_picture():
    for name in NOISES:
        assert f"### {name}\n" in TEXT
    for name in PRESETS:
        assert f"| `{name}" in TEXT
    pictures = re.findall(r"\]\((images/noise/\w+\.png)\)", TEXT)
    assert len(pictures) >= len(NOISES) + len(PRESETS) + 2
    assert all((PAGE.parent / picture).is_file() for picture in pictures)
