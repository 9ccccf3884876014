"""The peak of the memory that a call takes beyond what is there before."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path

import torch


def _status(key: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def peak_memory(call: Callable[[], None], device: str) -> int:
    """Bytes at the peak of one call; on the CPU in a fresh process only, and on Linux.

    Args:
        call: what is measured; whatever libraries load at first use should be loaded.
        device: ``cpu`` or ``cuda``.
    """
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before
