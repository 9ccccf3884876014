"""Imports run one way: from high layers to low ones, without circles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.import_directions import circles, part_of, read_arrows, upward

PACKAGE = Path(__file__).parents[1] / "anl_seg"

#: From low to high; docs/architecture.md says why some stand alone.
LAYERS = (
    (
        "_checkpoint_files",
        "_checks",
        "_family",
        "_files",
        "_processes",
        "_progress",
        "_random_state",
        "_signature",
        "_spaced",
        "_suggest",
        "version",
    ),
    ("registry",),
    ("functional", "noise"),
    ("kernels", "masks"),
    ("models",),
    ("config",),
    ("datasets",),
    ("evaluation",),
    ("engine",),
    ("corruption",),
    ("browse", "study"),
    ("cli",),
    ("", "__main__"),  # the whole: its names are for users
)


@pytest.fixture(scope="module")
def arrows():
    return read_arrows(PACKAGE)


def test_no_import_leads_upward(arrows):
    assert upward(arrows, LAYERS) == []


def test_no_modules_import_one_another_in_a_circle(arrows):
    assert circles(arrows) == []


def test_the_layers_name_what_there_is(arrows):
    assert {part for layer in LAYERS for part in layer} == {part_of(module) for module in arrows}
    assert {"anl_seg.kernels.fused", "anl_seg.cli.train"} <= arrows.keys()


@pytest.fixture
def make_tree(tmp_path):
    def make(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath("house", *name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
            for folder in path.relative_to(tmp_path).parents:
                if folder.name:
                    (tmp_path / folder / "__init__.py").touch()
        return tmp_path / "house"

    return make


def init(house, folder, source):
    (house / folder / "__init__.py").write_text(source)


TWO = (("low",), ("high",))


@pytest.mark.parametrize(
    "source",
    [
        "import house.high.roof",
        "import os, house.high.roof as roof",
        "from house.high.roof import tile",
        "from house.high import roof",
        "from ..high import roof",
        "from ..high.roof import tile",
        "def f():\n    from house.high import roof",
        "if False:\n    import house.high.roof",
    ],
)
def test_an_upward_import_is_found_however_it_is_written(make_tree, source):
    arrows = read_arrows(make_tree(low__wall=source, high__roof=""))
    assert upward(arrows, (*TWO, ("",))) == ["house.low.wall -> house.high.roof"]


@pytest.mark.parametrize("named", ["house.high.roof", "roof"])
def test_names_that_an_init_file_loads_when_asked_count(make_tree, named):
    house = make_tree(low__wall="", high__roof="import house.high")
    init(house, "high", f"_LAZY = {{'tile': {named!r}}}")
    assert circles(read_arrows(house)) == [["house.high", "house.high.roof"]]
    init(house, "low", "_LAZY = {'tile': 'house.high.roof'}")
    assert upward(read_arrows(house), (*TWO, ("",))) == ["house.low -> house.high.roof"]


def test_the_name_of_a_package_stands_for_its_init_file(make_tree):
    house = make_tree(low__wall="from house.high import tile", high__roof="")
    assert upward(read_arrows(house), (*TWO, ("",))) == ["house.low.wall -> house.high"]


def test_downward_and_inner_imports_and_other_packages_are_fine(make_tree):
    house = make_tree(
        low__wall="import os.path\nfrom numpy import array",
        low__stone="from . import wall",
        high__roof="from house.low import stone\nfrom .tile import red",
        high__tile="",
    )
    arrows = read_arrows(house)
    assert upward(arrows, (*TWO, ("",))) == circles(arrows) == []
    assert arrows["house.high.roof"] == {"house.low.stone", "house.high.tile"}


def test_packages_of_one_layer_do_not_import_each_other(make_tree):
    house = make_tree(low__wall="", high__roof="import house.low.wall")
    assert upward(read_arrows(house), (("low", "high"), ("",))) == [
        "house.high.roof -> house.low.wall"
    ]


def test_long_circles_are_found_once(make_tree):
    house = make_tree(
        a="import house.b", b="def f(): import house.c", c="from house import a", d="import house.a"
    )
    assert circles(read_arrows(house)) == [["house.a", "house.b", "house.c"]]


def test_a_module_without_a_layer_is_an_error(make_tree):
    with pytest.raises(ValueError, match=r"house\.high.* is in no layer"):
        upward(read_arrows(make_tree(high__roof="")), (("",),))
