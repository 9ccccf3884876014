"""Writing a JSON file so that a reader or a crash never sees half of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anl_seg._atomic import replace_atomically


def _plain(value: Any) -> Any:
    """``value`` with numpy types as Python ones, tuples as lists, and NaN and inf as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json_atomically(path: str | Path, content: Any) -> None:
    """Write ``content`` to ``path`` as strict JSON through a temporary file beside it.

    Numpy arrays and scalars become lists and numbers, NaN and infinities null. The file at
    ``path`` is the old one or the new one, never a mixture; a failure leaves the old one and no
    temporary file.

    Args:
        path: The file to write; its folder must exist.
        content: Dicts, lists, strings, numbers, None, and numpy values.

    Raises:
        TypeError: If ``content`` holds anything else.
    """
    text = json.dumps(_plain(content), indent=2, allow_nan=False) + "\n"
    replace_atomically(Path(path), text.encode("utf-8"))
