"""Comparing runs: plan, launch, collect, report. The first, small form of the study tools."""

from anl_seg.study.collect import RunResult, collect_run
from anl_seg.study.launch import launch_runs
from anl_seg.study.picture import draw_predictions
from anl_seg.study.plan import Experiment, Run, experiments_of, plan_runs, slug
from anl_seg.study.report import comparison_records, comparison_table, value_cell

__all__ = [
    "Experiment",
    "Run",
    "RunResult",
    "collect_run",
    "comparison_records",
    "comparison_table",
    "draw_predictions",
    "experiments_of",
    "launch_runs",
    "plan_runs",
    "slug",
    "value_cell",
]
