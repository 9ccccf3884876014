"""Imports of the package run one way: from a package only to those below it, and nowhere in a circle.

Read from the sources by ``ast``, so imports inside functions, those for type checking and the tables of
names that a package loads on first use (``_LAZY``) count as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "anl_seg"
#: From the lowest up. A module may import from its own package and from those below it, never from
#: above. Modules of the top level (``_files``, ``registry``, ...) are below all packages.
LAYERS = (
    "functional",
    "noise",
    "kernels",
    "masks",
    "models",
    "config",
    "datasets",
    "evaluation",
    "engine",
    "corruption",
    "browse",
    "study",
    "cli",
)
#: The package itself, which loads from below on first use, and ``python -m anl_seg``: above all others.
TOP = ("anl_seg", "anl_seg.__main__")
#: Pairs of layers of which the upper one does without the lower one: they stand side by side.
APART = {("functional", "noise"), ("browse", "study"), ("kernels", "masks")}


def modules_of(root: Path) -> dict[str, Path]:
    """Name -> file of every module of a package."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _resolved(base: str, name: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """The module that ``from base import name`` reads, if it is one of ours."""
    if f"{base}.{name}" in modules:
        yield f"{base}.{name}"
    elif base in modules:
        yield base


def imported(module: str, modules: Mapping[str, Path]) -> set[str]:
    """The modules of a package that one of them imports, at whatever time."""
    path = modules[module]
    is_package = path.name == "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = is_package and any(
        isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body
    )
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, *([base] if base else [])])
            for alias in node.names:
                found.update(_resolved(base, alias.name, modules))
        elif isinstance(node, ast.Call) and getattr(
            node.func, "attr", getattr(node.func, "id", "")
        ) in ("import_module", "__import__"):
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found.update(name for name in names if name in modules)
        elif lazy and isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = (node.value, f"{module}.{node.value}")
            found.update(name for name in names if name in modules)
    return found - {module}


def imports_of(root: Path) -> dict[str, set[str]]:
    """Module -> the modules of the same package that it imports."""
    modules = modules_of(root)
    return {module: imported(module, modules) for module in modules}


def layer(module: str) -> int:
    """How high a module stands."""
    if module in TOP:
        return len(LAYERS)
    package = module.split(".")[1]
    return LAYERS.index(package) if package in LAYERS else -1


def upward(imports: Mapping[str, set[str]]) -> list[str]:
    """The imports that lead upward, or to the side where packages stand side by side."""
    found = []
    for module, targets in imports.items():
        for target in targets:
            names = tuple(name.split(".")[1] if "." in name else name for name in (target, module))
            if layer(target) > layer(module) or names in APART:
                found.append(f"{module} -> {target}")
    return sorted(found)


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other by imports, sorted."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in imports[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {module: reached(module) for module in imports}
    groups = {
        tuple(sorted(other for other in reach[module] if module in reach[other]))
        for module in imports
        if module in reach[module]
    }
    return sorted(map(list, groups))


@pytest.fixture(scope="module")
def imports():
    return imports_of(ROOT)


def test_no_import_leads_upward(imports):
    assert upward(imports) == []


def test_no_modules_import_each_other_in_a_circle(imports):
    assert circles(imports) == []


def test_every_package_has_its_layer(imports):
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(LAYERS)
    assert len(imports) > 200


def _tree(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"__init__.py": "", **files}.items():
        path = folder / "anl_seg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "anl_seg"


@pytest.mark.parametrize(
    "text",
    [
        "from anl_seg.engine import resume",
        "from anl_seg.engine.resume import choose",
        "import anl_seg.engine.resume",
        "from ..engine import resume",
        "from ..engine.resume import choose",
        "def late():\n    from anl_seg.engine.resume import choose",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from anl_seg.engine import resume",
        "from importlib import import_module\nimport_module('anl_seg.engine.resume')",
        "import importlib\nimportlib.import_module('anl_seg.engine.resume')",
    ],
)
def test_an_upward_import_is_found_however_it_is_written(tmp_path, text):
    root = _tree(
        tmp_path,
        {
            "engine/__init__.py": "",
            "engine/resume.py": "choose = 1",
            "noise/__init__.py": "",
            "noise/low.py": text,
        },
    )
    assert "anl_seg.noise.low -> anl_seg.engine.resume" in upward(imports_of(root))


@pytest.mark.parametrize("value", ["anl_seg.engine.resume", "late"])
def test_names_that_a_package_loads_on_first_use_count(tmp_path, value):
    root = _tree(
        tmp_path,
        {
            "engine/__init__.py": "",
            "engine/resume.py": "",
            "noise/__init__.py": f"_LAZY = {{'a': '{value}'}}\ndef __getattr__(name): ...",
            "noise/late.py": "from anl_seg.noise import a",
        },
    )
    imports = imports_of(root)
    if value == "late":
        assert circles(imports) == [["anl_seg.noise", "anl_seg.noise.late"]]
    else:
        assert upward(imports) == ["anl_seg.noise -> anl_seg.engine.resume"]


def test_circles_are_found_and_downward_imports_are_not(tmp_path):
    root = _tree(
        tmp_path,
        {
            "_files.py": "",
            "noise/__init__.py": "from anl_seg.noise.a import x",
            "noise/a.py": "from anl_seg._files import x\nfrom .b import y",
            "noise/b.py": "from .c import z",
            "noise/c.py": "def late():\n    from . import a",
            "engine/__init__.py": "from anl_seg import noise\nfrom anl_seg.noise import a",
        },
    )
    imports = imports_of(root)
    assert upward(imports) == []
    assert circles(imports) == [["anl_seg.noise.a", "anl_seg.noise.b", "anl_seg.noise.c"]]


def test_packages_side_by_side_and_top_level_modules_import_nothing_of_packages(tmp_path):
    root = _tree(
        tmp_path,
        {
            "_files.py": "import anl_seg.masks",
            "registry.py": "from anl_seg import version",
            "version.py": "",
            "masks/__init__.py": "from anl_seg import registry",
            "study/__init__.py": "from anl_seg import browse",
            "browse/__init__.py": "",
        },
    )
    assert upward(imports_of(root)) == [
        "anl_seg._files -> anl_seg.masks",
        "anl_seg.study -> anl_seg.browse",
    ]
