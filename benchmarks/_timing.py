"""Interleaved timing: what is compared takes turns, so that a busy machine slows all alike."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import scipy

from anl_seg.engine.environment import commit


def interleaved_times(
    cases: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Seconds of each call, by case: in every round each case is called once, in turn.

    Each case is called once before, untimed. ``clock`` may be ``time.thread_time`` where one thread
    works on a busy machine.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    for call in cases.values():
        call()
    for _ in range(rounds):
        for name, call in cases.items():
            start = clock()
            call()
            times[name].append(clock() - start)
    return {name: np.array(values) for name, values in times.items()}


def spread(times: np.ndarray) -> tuple[float, float, float]:
    """Median and the quartiles below and above it."""
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return float(median), float(low), float(high)


def measured_on() -> str:
    """One line: processor, system, versions and commit."""
    return (
        f"{_processor()}, {platform.system()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}, OpenCV {cv2.__version__}, "
        f"commit {commit() or 'unknown'}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
