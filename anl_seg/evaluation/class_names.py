"""Names of classes as parts of the keys of metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def key_names(classes: Sequence[object]) -> list[str]:
    """Class names with ``-`` for each ``/``, which loggers take for a folder.

    Raises:
        ValueError: two names become one.
    """
    names = [str(name).replace("/", "-") for name in classes]
    if len(set(names)) < len(names):
        raise ValueError(f"class names must differ after '/' has become '-', got {names}")
    return names


def mean_percent(values: np.ndarray) -> float:
    """Mean of the shares that are not NaN, in percent with two digits; NaN if there are none."""
    values = values[~np.isnan(values)]
    return round(float(values.mean()) * 100, 2) if values.size else float("nan")
