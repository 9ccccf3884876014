"""What a training took: seconds and memory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anl_seg._files import write_json_atomically
from anl_seg.registry import HOOKS

FILE_NAME = "resources.json"


def peak_rss_bytes() -> int | None:
    """Largest resident memory this process has had so far, in bytes; None where it cannot be told."""
    try:
        import resource
    except ImportError:  # not a Unix
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak if sys.platform == "darwin" else peak * 1024


def _peak_cuda_bytes() -> int | None:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def _most(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _most_of_ranks(value: int | None) -> int | None:
    """The largest value of all ranks."""
    if value is None or get_world_size() == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.int64)
    all_reduce(tensor, op="max")
    return int(tensor)


@HOOKS.register_module()
class ResourceHook(Hook):
    """Writes the seconds and the peak memory of a training to ``resources.json`` in the work dir.

    The file is written anew after every validation and at the end, so that a kill loses little. It holds

    - ``seconds``: wall time from the start of ``runner.train()`` to its end, loading of weights,
      validations and other hooks included, and ``validation_seconds``, what of it validations took
      with all that hooks do at their end;
    - ``peak_rss_bytes``: largest resident memory of a training process (data loading workers not
      counted), of the rank that had most; null where the system does not tell;
    - ``peak_cuda_bytes``: most CUDA memory allocated by torch on a rank; null on a CPU;
    - ``device``: the CUDA device's name, or ``cpu``; ``ranks``: number of processes;
    - ``sessions``: one entry per start of the training with ``from_iter``, ``to_iter`` and the values
      above. A run that was resumed has several; the totals are their sum (seconds) and their
      largest (memory). Iterations that were trained twice count twice.

    A fresh run in an old work dir starts anew.
    """

    # After the hooks that measure something at a validation and at the end.
    priority = "LOWEST"

    def before_run(self, runner: Runner) -> None:
        """Start the clock."""
        self._start = time.perf_counter()
        self._in_training = False

    def before_train(self, runner: Runner) -> None:
        """Take up the earlier sessions of a resumed run."""
        self._in_training = True
        self._validation = 0.0
        self._validation_start: float | None = None
        self._from_iter = runner.iter
        self._earlier: list[dict] = []
        path = Path(runner.work_dir) / FILE_NAME
        if runner.iter and path.is_file() and is_main_process():
            self._earlier = json.loads(path.read_text(encoding="utf-8"))["sessions"]
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def before_val_epoch(self, runner: Runner) -> None:
        """Note when a validation begins."""
        self._validation_start = time.perf_counter()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the validation's time, if it was one of training."""
        if not self._in_training:
            return
        if self._validation_start is not None:
            self._validation += time.perf_counter() - self._validation_start
        self._write(runner)

    def after_train(self, runner: Runner) -> None:
        """Write the file for the last time."""
        self._write(runner)
        self._in_training = False

    def _write(self, runner: Runner) -> None:
        session: dict[str, Any] = {
            "from_iter": self._from_iter,
            "to_iter": runner.iter,
            "seconds": time.perf_counter() - self._start,
            "validation_seconds": self._validation,
            "peak_rss_bytes": _most_of_ranks(peak_rss_bytes()),
            "peak_cuda_bytes": _most_of_ranks(_peak_cuda_bytes()),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "ranks": get_world_size(),
        }
        if not is_main_process():
            return
        sessions = [*self._earlier, session]
        totals = {
            **{key: sum(s[key] for s in sessions) for key in ("seconds", "validation_seconds")},
            **{
                key: _most(*(s[key] for s in sessions))
                for key in ("peak_rss_bytes", "peak_cuda_bytes")
            },
            "device": session["device"],
            "ranks": session["ranks"],
        }
        write_json_atomically(Path(runner.work_dir) / FILE_NAME, {**totals, "sessions": sessions})
