"""Studies: grids of trainings from one file, run, resumed and reported; and the comparison of a few runs.

Names are loaded on first use, so that processes which only watch a training load neither torch nor mmseg.
"""

from __future__ import annotations

from importlib import import_module

#: Public names and the modules that hold them.
_LAZY = {
    "Experiment": "plan",
    "Run": "plan",
    "RunResult": "collect",
    "Study": "file",
    "StudyOutcome": "run.runner",
    "StudyRun": "grid",
    "collect_run": "collect",
    "comparison_records": "report",
    "comparison_table": "report",
    "draw_predictions": "picture",
    "experiments_of": "plan",
    "launch_runs": "launch",
    "load_study": "file",
    "plan_runs": "plan",
    "plan_study": "grid",
    "read_plan": "run.state",
    "run_study": "run.runner",
    "slug": "plan",
    "value_cell": "report",
    "write_plan": "grid",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'anl_seg.study' has no attribute {name!r}")
    return getattr(import_module(f"anl_seg.study.{_LAZY[name]}"), name)
