"""A new loss touches five files at most: those in which every loss of its kind stands, and its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anl_seg.models.losses import simple_losses

ROOT = Path(__file__).parents[2]
MOST = 5
#: Names all of them, and needs no new one: what is in no panel is drawn under "Others".
NOT_NEEDED = {"docs/draw_loss_gradients.py"}
#: function -> module.
LOSSES = {
    cls.function.__name__: name
    for name in simple_losses.__all__
    for cls in [getattr(simple_losses, name)]
}


@pytest.fixture(scope="module")
def words() -> dict[str, set[str]]:
    """The words of each source and page."""
    paths = [
        path
        for folder, ending in (("anl_seg", "py"), ("tests", "py"), ("docs", "py"), ("docs", "md"))
        for path in (ROOT / folder).rglob(f"*.{ending}")
    ]
    return {
        path.relative_to(ROOT).as_posix(): set(re.findall(r"\w+", path.read_text("utf-8")))
        for path in [*paths, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    }


def named(words: set[str], function: str) -> bool:
    return bool(words & {function, LOSSES[function]})


def test_there_are_losses_to_count():
    assert len(LOSSES) == len(simple_losses.__all__) >= 18


def test_a_new_loss_touches_five_files_at_most(words):
    """Its own, and each file in which every loss stands; where one is missing, no test asks for it."""
    lists = {
        path for path, found in words.items() if all(named(found, each) for each in LOSSES)
    } - NOT_NEEDED
    assert len(lists) + 1 <= MOST, sorted(lists)
    for function in LOSSES:
        assert f"anl_seg/functional/{function}.py" in words


def test_contributing_names_the_five():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for path in (
        "anl_seg/functional/<stem>.py",
        "anl_seg/functional/__init__.py",
        "anl_seg/models/losses/simple_losses.py",
        "tests/references/direct_losses.py",
        "docs/losses.md",
    ):
        assert path in text
