"""Losses and noise on the command line: ``Type:key=value,key=value``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from textwrap import shorten


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                break
        elif char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if depth or quote:
        raise ValueError(f"unbalanced brackets or quotes in {text!r}.")
    return [*parts, text[start:]]


def _once(items: Iterable[tuple[object, object]]) -> dict:
    """A dict of pairs, none of whose keys may come twice."""
    found: dict = {}
    for key, value in items:
        if key in found:
            raise ValueError(f"{key!r} is given twice.")
        found[key] = value
    return found


def _literal(node: ast.expr) -> object:
    """The value of a part of a parsed literal; nothing is executed.

    Raises:
        ValueError: the part is neither a literal, nor a bare word, nor ``dict(key=value, ...)``.
    """
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_literal(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values)
        return _once((_literal(key), _literal(value)) for key, value in pairs if key is not None)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f"dict(...) takes key=value only; got {ast.unparse(node)}.")
        return _once((keyword.arg, _literal(keyword.value)) for keyword in node.keywords)
    word = ast.unparse(node)
    if isinstance(node, (ast.Name, ast.Attribute)) and word.replace(".", "").isidentifier():
        return word  # perhaps with a scope
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(
            f"{word} is no number, string, list, dict, True, False or None; put a string "
            "of other characters in quotes."
        ) from None


#: What a value that is no literal must not begin with, as it was meant to be one.
_MEANT = re.compile(r"[\[{]|dict\s*\(")


def _value(text: str) -> object:
    try:
        return _literal(ast.parse(text, mode="eval").body)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        if _MEANT.match(text):
            raise ValueError(f"cannot read {shorten(text, 80)!r}: {error}") from None
        return text  # a bare word is a string, as in --cfg-options


def parse_spec(text: str) -> dict:
    """Parse ``'anl_seg.ANLCELoss:alpha=5,beta=5'`` into ``dict(type=..., alpha=5, beta=5)``.

    Values are Python literals (numbers, lists, dicts, True, None), within which a string may be without
    quotes and a dict may be ``dict(type=DilateNoise, low=1)``; anything else is a string. Nothing is
    executed.

    Raises:
        ValueError: no type, or a parameter that is not ``key=value``, or is given twice, or a list or
            dict that cannot be read.
    """
    name, _, rest = text.partition(":")
    if not name.strip():
        raise ValueError(f"expected 'Type' or 'Type:key=value,...'; got {text!r}.")
    spec: dict = {"type": name.strip()}
    for item in _split(rest) if rest.strip() else []:
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise ValueError(f"expected key=value in {text!r}; got {item.strip()!r}.")
        if key in spec:
            raise ValueError(f"{key!r} is given twice in {text!r}.")
        spec[key] = _value(value.strip())
    return spec
