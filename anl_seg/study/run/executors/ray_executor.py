"""Trainings on the machines of a Ray cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from anl_seg.study.run.executors.base import Executor, check_resources
from anl_seg.study.run.reasons import os_reason
from anl_seg.study.run.remote import ArchiveError, remote_attempt, unpack


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            "--executor ray needs the package ray: pip install 'anl_seg[ray]'."
        ) from error
    return ray


class RayExecutor(Executor):
    """One Ray task per attempt, with the CPUs and GPUs it asks for.

    A node that sees the study's folder (a shared file system) trains in it, and goes on from its
    checkpoints. One that does not trains in a temporary folder and sends that back when the run has ended,
    so there a run that loses its node starts anew. Every node needs this package and the data.

    Args:
        address: of a running cluster (``auto``, ``host:6379``, ``ray://...``); None: one is started on
            this machine and ended with the study.
        jobs: trainings at a time at most; None: what the cluster holds.
        gpus_per_run: None: 1 where the cluster has GPUs. Below 1 several runs share a GPU.
        cpus_per_run: CPUs, and CPU threads, of a run; None: 1.

    Raises:
        ValueError: ray is not installed, a number is out of range, or no cluster answers.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        jobs: int | None = None,
        gpus_per_run: float | None = None,
        cpus_per_run: int | None = None,
    ) -> None:
        check_resources(jobs, cpus_per_run, gpus_per_run)
        self._ray = ray = _import_ray()
        settings: dict[str, Any] = dict(log_to_driver=False, logging_level="error")
        if address is None:
            settings["include_dashboard"] = False
        self._own = not ray.is_initialized()
        if self._own:
            try:
                # Without "local" Ray would join any cluster that this machine runs.
                ray.init(address=address or "local", **settings)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ValueError(f"no Ray cluster at {address!r}: {error}") from error
        self.jobs = jobs
        self.threads = cpus_per_run or 1
        total = sum(node["Resources"].get("GPU", 0) for node in self._nodes())
        self.gpus_per_run = (1 if total else 0) if gpus_per_run is None else gpus_per_run
        self._tasks: dict[Any, tuple[str, Path]] = {}
        self._remote = ray.remote(remote_attempt).options(
            num_cpus=self.threads,
            num_gpus=self.gpus_per_run,
            max_retries=0,  # the runner decides, and counts
            scheduling_strategy="SPREAD",
        )
        if self.capacity() < 1:
            raise ValueError(
                f"no node of the Ray cluster has {self.threads} CPUs and {self.gpus_per_run:g} GPUs."
            )

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def describe(self) -> str:
        nodes = len(self._nodes())
        text = f"{self.capacity()} at a time on {nodes} Ray nodes, {self.threads} CPUs each"
        return f"{text}, {self.gpus_per_run:g} GPUs each" if self.gpus_per_run else text

    def capacity(self) -> int:
        most = 0
        for node in self._nodes():
            fits = node["Resources"].get("CPU", 0) // self.threads
            if self.gpus_per_run:
                fits = min(fits, node["Resources"].get("GPU", 0) / self.gpus_per_run)
            most += int(fits)
        return most if self.jobs is None else min(most, self.jobs)

    def submit(self, key: str, job: dict[str, Any]) -> None:
        task = self._remote.remote(job)
        self._tasks[task] = (key, Path(job["folder"]))

    def _outcome(self, task: Any, folder: Path) -> dict[str, Any]:
        errors = self._ray.exceptions
        try:
            outcome, archive = self._ray.get(task)
        except errors.OutOfMemoryError:
            return {"reason": "out of memory: ended by Ray", "returncode": None}
        except errors.RayTaskError as error:
            return {"reason": f"on its node: {error.cause}", "returncode": None}
        except errors.RayError as error:
            # The node, or the worker on it, is gone.
            return {"lost": True, "reason": f"lost with its node ({type(error).__name__})"}
        if archive is not None:
            try:
                unpack(archive, folder)
            except ArchiveError as error:
                reason = f"what its node sent back is refused: {error}"
                return {**outcome, "reason": reason, "returncode": None}
            except OSError as error:
                return {**outcome, "reason": os_reason(error)}
        return outcome

    def wait(self, seconds: float) -> list[tuple[str, dict[str, Any]]]:
        if not self._tasks:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        ended = []
        for task in ready:
            key, folder = self._tasks.pop(task)
            ended.append((key, self._outcome(task, folder)))
        return ended

    def stop(self) -> list[tuple[str, dict[str, Any]]]:
        for task in self._tasks:
            self._ray.cancel(task, force=True)
        ended = [
            (key, {"stopped": True, "reason": "stopped with the runner"})
            for key, _ in self._tasks.values()
        ]
        self._tasks.clear()
        if self._own:
            self._ray.shutdown()
        return ended
