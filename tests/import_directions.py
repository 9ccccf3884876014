"""The arrows between the modules of a package, read from their sources: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Arrows = dict[str, set[str]]


def read_arrows(package: Path) -> Arrows:
    """Return for each module of a package the modules of it that it imports.

    Imports inside functions and under conditions count, and so do the modules that a dict of an
    ``__init__`` file names, which are loaded when somebody asks. That an import of ``a.b`` runs
    ``a/__init__.py`` too does not count.

    Args:
        package: its folder.
    """
    files = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {
        name: set(_imported(ast.parse(path.read_text("utf-8")), name, path, files)) - {name}
        for name, path in files.items()
    }


def upward(arrows: Arrows, layers: Sequence[Sequence[str]]) -> list[str]:
    """Return the imports, as ``"a -> b"``, that lead to a higher layer or across one, sorted.

    Args:
        arrows: see :func:`read_arrows`.
        layers: from low to high, the modules and packages of each, without the name of the whole. Modules of
            a package may import one another; those of two packages in one layer may not.

    Raises:
        ValueError: a module is in no layer.
    """
    rank = {part: number for number, layer in enumerate(layers) for part in layer}
    for module in arrows:
        if part_of(module) not in rank:
            raise ValueError(f"{module} is in no layer.")
    return sorted(
        f"{module} -> {other}"
        for module, imported in arrows.items()
        for other in imported
        if part_of(other) != part_of(module) and rank[part_of(other)] >= rank[part_of(module)]
    )


def part_of(module: str) -> str:
    """Return the package or module below the whole that a module belongs to; empty for the whole."""
    return ([*module.split("."), ""])[1]


def circles(arrows: Arrows) -> list[list[str]]:
    """Return the groups of modules that import one another, directly or not, each sorted.

    They are the strongly connected components of more than one module.
    """
    reached = {module: _reached(module, arrows) for module in arrows}
    groups = {
        tuple(sorted({module} | {m for m in reached[module] if module in reached[m]}))
        for module in arrows
        if module in reached[module]
    }
    return sorted(map(list, groups))


def _reached(module: str, arrows: Arrows) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = arrows[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module, name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    is_package = path.name == "__init__.py"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, name, is_package)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield from [one for one in (full, base) if one in files][:1]
        elif isinstance(node, ast.Dict) and is_package:
            for text in (*node.keys, *node.values):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    full = f"{name}.{text.value}"
                    yield from (one for one in (full, text.value) if one in files)


def _base(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    """The module that names are imported from, without leading dots."""
    if not node.level:
        return node.module or ""
    parents = name.split(".")
    parents = parents[: len(parents) - node.level + is_package]
    return ".".join([*parents, *([node.module] if node.module else [])])
