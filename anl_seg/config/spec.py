"""Losses and noise on the command line: ``Type:key=value,key=value``."""

from __future__ import annotations

import ast


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


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a bare word is a string, as in --cfg-options


def parse_spec(text: str) -> dict:
    """Parse ``'anl_seg.ANLCELoss:alpha=5,beta=5'`` into ``dict(type=..., alpha=5, beta=5)``.

    Values are Python literals (numbers, lists, dicts, True, None); anything else is a string.

    Raises:
        ValueError: no type, or a parameter that is not ``key=value``, or is given twice.
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
