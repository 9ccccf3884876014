"""Where the trainings of a study run."""

from __future__ import annotations

from anl_seg.study.run.executors.base import Executor
from anl_seg.study.run.executors.local import LocalExecutor
from anl_seg.study.run.executors.ray_executor import RayExecutor

__all__ = ["Executor", "LocalExecutor", "RayExecutor"]
