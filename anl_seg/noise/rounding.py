"""One way to round shares of an area to pixels."""

from __future__ import annotations

import math


def round_half_up(value: float) -> int:
    """The nearest whole number, halves up: Python's ``round`` takes halves to the even one."""
    return math.floor(value + 0.5)
