"""Why a training ended, in one sentence. Standard library only."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

NO_SPACE = os.strerror(errno.ENOSPC).lower()
_DIVERGED = re.compile(r"diverged: .+? is .+? at iteration \d+")
_NO_SPACE = re.compile(r"no space left on device|\[Errno 28\]|disk quota exceeded", re.IGNORECASE)
#: torch writes a checkpoint in C++ and does not pass on why that failed.
_CANNOT_WRITE = re.compile(
    r"PytorchStreamWriter failed writing|file write failed|unexpected pos \d+"
)
_OUT_OF_MEMORY = re.compile(r"(?:CUDA )?out of memory|std::bad_alloc|Cannot allocate memory")
#: The last line of a traceback; ``torch.distributed.run`` puts the rank before it, and its own after it.
_ERROR = re.compile(r"(?:\[rank\d+\]:\s*)?((?:\w+\.)*(?!ChildFailed)\w+(?:Error|Exception)\b.*)")
#: A file system with less left than a checkpoint or a log needs.
_FULL = 4 << 20


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


def signal_text(number: int) -> str:
    """``signal 9 (SIGKILL)``."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def failure_reason(returncode: int, tail: Sequence[str], folder: Path) -> str:
    """Why a training failed.

    Args:
        returncode: of its process; negative = killed by that signal.
        tail: the last lines that it printed.
        folder: of the run.
    """
    text = "\n".join(tail)
    # Ranks of a distributed run print theirs in any order: the first is the cause.
    if match := _DIVERGED.search(text):
        return match.group(0)
    if _NO_SPACE.search(text):
        return NO_SPACE
    if _CANNOT_WRITE.search(text):
        return NO_SPACE if _is_full(folder) else "a checkpoint could not be written"
    if returncode < 0:
        return f"killed by {signal_text(-returncode)}"
    if _OUT_OF_MEMORY.search(text):
        return "out of memory"
    if _is_full(folder):
        return NO_SPACE  # what it wanted to say of it was lost for the same reason
    errors = [match.group(1) for line in tail if (match := _ERROR.match(line.strip()))]
    lines = [line.strip() for line in tail if line.strip()]
    last = (errors or lines or ["it printed nothing"])[-1]
    return f"exit {returncode}: {last[:300]}"


def is_divergence(reason: str | None) -> bool:
    """Whether a reason is that of a run which diverged."""
    return reason is not None and reason.startswith("diverged:")


def os_reason(error: OSError) -> str:
    """What the system could not do, and with which file: ``no space left on device: /runs/x/state.json``."""
    text = (error.strerror or str(error)).lower()
    return f"{text}: {error.filename}" if error.filename else text
