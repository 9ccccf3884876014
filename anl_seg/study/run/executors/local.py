"""Trainings as processes of this machine."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import Any

import torch

from anl_seg._processes import cpu_count
from anl_seg.study.run.attempt import run_attempt
from anl_seg.study.run.executors.base import Executor, check_resources


def visible_gpus() -> list[str]:
    """Ids of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    return [str(i) for i in range(torch.cuda.device_count())]


class LocalExecutor(Executor):
    """``jobs`` processes at a time; each run gets one GPU, or several, or a part of one.

    Args:
        jobs: trainings at a time; None: as many as the GPUs allow, or 1 without GPUs.
        gpus_per_run: None: 1 where there are GPUs. Below 1 several runs share a GPU.
        cpus_per_run: CPU threads of a run; None: the cores divided by ``jobs``.
        gpus: ids of GPUs; None: those that this process may use.

    Raises:
        ValueError: a number out of range, or more GPUs asked for than there are.
    """

    def __init__(
        self,
        jobs: int | None = None,
        *,
        gpus_per_run: float | None = None,
        cpus_per_run: int | None = None,
        gpus: list[str] | None = None,
    ) -> None:
        check_resources(jobs, cpus_per_run, gpus_per_run)
        gpus = visible_gpus() if gpus is None else gpus
        self.gpus_per_run = (1 if gpus else 0) if gpus_per_run is None else gpus_per_run
        if self.gpus_per_run > len(gpus):
            raise ValueError(
                f"a run asks for {self.gpus_per_run:g} GPUs; this machine has {len(gpus)}."
            )
        most = self._most(len(gpus))
        self.jobs = jobs or most or 1
        if most:
            self.jobs = min(self.jobs, most)
        self.threads = cpus_per_run or max(1, cpu_count() // self.jobs)
        self._load = dict.fromkeys(gpus, 0.0)
        self._taken: dict[str, list[str]] = {}
        self._threads: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._ended: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()

    def _most(self, gpus: int) -> int:
        """How many runs the GPUs allow; 0 where they set no limit."""
        if not self.gpus_per_run:
            return 0
        if self.gpus_per_run < 1:
            return gpus * int(1 / self.gpus_per_run)
        return gpus // int(self.gpus_per_run)

    def describe(self) -> str:
        text = f"{self.jobs} at a time on this machine, {self.threads} CPU threads each"
        return f"{text}, {self.gpus_per_run:g} GPUs each" if self.gpus_per_run else text

    def capacity(self) -> int:
        return self.jobs

    def _take_gpus(self, key: str) -> dict[str, str]:
        if not self._load:
            return {}
        count = max(1, int(self.gpus_per_run)) if self.gpus_per_run else 0
        chosen = sorted(self._load, key=self._load.__getitem__)[:count]
        for gpu in chosen:
            self._load[gpu] += min(1.0, self.gpus_per_run)
        self._taken[key] = chosen
        return {"CUDA_VISIBLE_DEVICES": ",".join(chosen)}

    def submit(self, key: str, job: dict[str, Any]) -> None:
        job = {**job, "environment": {**job.get("environment", {}), **self._take_gpus(key)}}
        stop = threading.Event()

        def work() -> None:
            try:
                outcome = run_attempt(job, stop)
            except Exception as error:  # a fault of ours must not hang the study
                outcome = {"reason": f"{type(error).__name__}: {error}", "returncode": None}
            self._ended.put((key, outcome))

        thread = threading.Thread(target=work, daemon=True)
        self._threads[key] = (thread, stop)
        thread.start()

    def wait(self, seconds: float) -> list[tuple[str, dict[str, Any]]]:
        ended = []
        end = time.monotonic() + seconds
        try:
            ended.append(self._ended.get(timeout=max(0.0, end - time.monotonic())))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for key, _ in ended:
            del self._threads[key]
            for gpu in self._taken.pop(key, []):
                self._load[gpu] -= min(1.0, self.gpus_per_run)
        return ended

    def stop(self) -> list[tuple[str, dict[str, Any]]]:
        for _, stop in self._threads.values():
            stop.set()
        for thread, _ in list(self._threads.values()):
            if thread.is_alive():  # one whose start was interrupted cannot be waited for
                thread.join(30.0)
        return self.wait(0.0)
