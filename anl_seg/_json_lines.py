"""Reading files that grow by a line of JSON at a time. Standard library only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def _integer(text: str) -> int:
    value = int(text)
    try:
        float(value)
    except OverflowError as error:
        raise ValueError(f"an integer of {len(text)} digits") from error
    return value


def json_value(text: str) -> Any:
    """The content of a JSON text in which every integer is one that can be calculated with as a float.

    Raises:
        ValueError, RecursionError: anything else.
    """
    return json.loads(text, parse_int=_integer)


def json_lines(path: str | Path) -> list[dict]:
    """The objects in a file of JSON lines; none where there is no file.

    A line that is being written, or was cut off by a kill, is left out.
    """
    return counted_json_lines(path)[0]


def counted_json_lines(path: str | Path) -> tuple[list[dict], int]:
    """:func:`json_lines`, and how many lines but the last one cannot be read."""
    path = Path(path)
    if not path.is_file():  # nobody waits for a pipe
        return [], 0
    found, broken = [], 0
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            content = json_value(line.decode("utf-8"))
        except (ValueError, RecursionError):  # no UTF-8, no JSON, thousands of digits or brackets
            broken += bool(line.strip()) and number < len(lines)
            continue
        if isinstance(content, dict):
            found.append(content)
    return found, broken
