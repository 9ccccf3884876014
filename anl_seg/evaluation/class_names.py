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


def check_background(background: int | None, num_classes: int | None = None) -> int | None:
    """``background``, if it is a class index or None.

    Args:
        background: index of the class that means over the foreground leave out.
        num_classes: number of classes, once it is known.

    Raises:
        ValueError: it is neither.
    """
    if background is not None and (
        isinstance(background, bool) or not isinstance(background, int) or background < 0
    ):
        raise ValueError(f"background must be a class index >= 0 or None, got {background!r}")
    if None not in (background, num_classes) and background >= num_classes:
        raise ValueError(
            f"background={background} is no class of this dataset, which has {num_classes}"
        )
    return background


def percent(values: np.ndarray) -> float:
    """Mean of the shares that are not NaN, in percent with two digits; NaN if there are none."""
    values = values[~np.isnan(values)]
    return round(float(values.mean()) * 100, 2) if values.size else float("nan")
