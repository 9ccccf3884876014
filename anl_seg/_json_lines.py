"""Reading files that grow by a line of JSON at a time. Standard library only."""

from __future__ import annotations

import json
from pathlib import Path


def json_lines(path: str | Path) -> list[dict]:
    """The objects in a file of JSON lines; none where there is no file.

    A line that is being written, or was cut off by a kill, is left out.
    """
    path = Path(path)
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found
