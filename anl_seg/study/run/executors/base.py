"""What the runner asks of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Executor(ABC):
    """Runs attempts (:func:`anl_seg.study.run.attempt.run_attempt`) side by side."""

    #: CPU threads of each run.
    threads: int

    @abstractmethod
    def capacity(self) -> int:
        """How many attempts can run now, those under way included; may change."""

    @abstractmethod
    def submit(self, key: str, job: dict[str, Any]) -> None:
        """Start an attempt; returns at once."""

    @abstractmethod
    def wait(self, seconds: float) -> list[tuple[str, dict[str, Any]]]:
        """Key and outcome of attempts that have ended, after ``seconds`` at most.

        An outcome is that of ``run_attempt``, or ``{"lost": True, "reason": ...}`` where the machine
        went away under the attempt.
        """

    @abstractmethod
    def stop(self) -> list[tuple[str, dict[str, Any]]]:
        """End what runs; outcomes as far as there are any."""

    @abstractmethod
    def describe(self) -> str:
        """The executor in words, for example ``2 processes of 1 thread``."""


def check_resources(jobs: int | None, cpus_per_run: int | None, gpus_per_run: float | None) -> None:
    """Raise ValueError for a number of runs at a time, or of CPUs or GPUs of a run, that cannot be."""
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be 1 or more; got {jobs}.")
    if cpus_per_run is not None and cpus_per_run < 1:
        raise ValueError(f"cpus_per_run must be 1 or more; got {cpus_per_run}.")
    if gpus_per_run is None:
        return
    if gpus_per_run < 0 or (gpus_per_run > 1 and gpus_per_run != int(gpus_per_run)):
        raise ValueError(
            f"gpus_per_run must be a whole number, or a part of one GPU; got {gpus_per_run}."
        )
