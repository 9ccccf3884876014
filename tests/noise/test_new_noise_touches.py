"""What a new noise model has to be entered in, see CONTRIBUTING.md."""

from __future__ import annotations

import re
from pathlib import Path

from anl_seg.noise import NOISES

ROOT = Path(__file__).parents[2]
#: Written by programs.
GENERATED = ("docs/noise_strength.md", "docs/noise_speed.md")
#: Measures what a parameter really gets, each in its own way; a model can do without.
OPTIONAL = ("benchmarks/noise_strength.py",)


def stem(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def lists_of_all_noises() -> list[str]:
    """The files that name every model and do not ask the registry: a new one has to be added to each."""
    found = []
    for folder in ("anl_seg", "benchmarks", "docs", "studies", "tests", "tools"):
        for path in sorted(ROOT.joinpath(folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if (
                path.suffix not in (".py", ".md")
                or name in (*GENERATED, *OPTIONAL)
                or "results/" in name
            ):
                continue
            text = path.read_text(encoding="utf-8")
            if all(noise in text for noise in NOISES) and "NOISES" not in text:
                found.append(name)
    return found


def test_a_new_noise_touches_at_most_five_files():
    own = ["anl_seg/noise/{stem}.py", "anl_seg/noise/__init__.py", "tests/noise/test_{stem}.py"]
    for name in NOISES:
        assert all(ROOT.joinpath(path.format(stem=stem(name))).is_file() for path in own), name
    lists = lists_of_all_noises()
    assert lists == ["docs/noise_models.md", "tests/noise/pinned_hashes.py"]
    assert len(own) + len(lists) <= 5
