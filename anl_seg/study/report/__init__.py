"""The report of a study: a page, tables and plots of what lies in its folders."""

from anl_seg.study.report.frames import runs_frame, summary_frame
from anl_seg.study.report.significance import paired_tests, rank_frame
from anl_seg.study.report.write import write_report

__all__ = ["paired_tests", "rank_frame", "runs_frame", "summary_frame", "write_report"]
