"""Studies: grids of trainings from one file, run, resumed and reported.

Names are loaded on first use, so that processes which only watch a training load neither torch nor mmseg.
"""

from __future__ import annotations

from importlib import import_module

#: Public names and the modules that hold them.
_LAZY = {
    "Study": "file",
    "StudyOutcome": "run.runner",
    "StudyRun": "plan",
    "comparison_records": "comparison_report",
    "comparison_study": "comparison",
    "comparison_table": "comparison_report",
    "draw_predictions": "picture",
    "load_study": "file",
    "plan_study": "plan",
    "read_plan": "run.state",
    "run_comparison": "comparison",
    "run_study": "run.runner",
    "value_cell": "comparison_report",
    "write_plan": "plan",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'anl_seg.study' has no attribute {name!r}")
    return getattr(import_module(f"anl_seg.study.{_LAZY[name]}"), name)
