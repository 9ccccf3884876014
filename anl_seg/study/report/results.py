"""What a report is made of: the plan of a study, a record of each run, and the tables that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from anl_seg.study.metrics import Metrics
from anl_seg.study.report.frames import class_frame, frame_of, summary_frame
from anl_seg.study.report.significance import rank_frame
from anl_seg.study.run_record import RunRecord, read_study
from anl_seg.study.shown_paths import path_hider


@dataclass(frozen=True)
class Results:
    """A study as its folders show it, read once.

    Attributes:
        work_dir: of the study.
        plan: its ``study.json``.
        records: of the planned runs, in the order of the plan.
    """

    work_dir: Path
    plan: Mapping[str, Any]
    records: list[RunRecord]

    @classmethod
    def read(cls, work_dir: str | Path) -> Results:
        """Read what there is.

        Raises:
            FileNotFoundError, ValueError: see :func:`anl_seg.study.run_record.read_study`.
        """
        return cls(Path(work_dir).absolute(), *read_study(work_dir))

    @cached_property
    def metrics(self) -> Metrics:
        """What the study measures."""
        return Metrics.of(self.plan["metrics"])

    @property
    def finished(self) -> list[RunRecord]:
        """The runs that came to their end."""
        return [record for record in self.records if record.status == "finished"]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per run, see :func:`anl_seg.study.report.frames.runs_frame`."""
        return frame_of(self.records, self.metrics)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per loss and setting, see :func:`anl_seg.study.report.frames.summary_frame`."""
        return summary_frame(self.frame)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """A row per finished run and class, see :func:`anl_seg.study.report.frames.class_frame`."""
        return class_frame(self.records, self.frame, self.metrics)

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """The rows per run that ranks and tests count: what collapsed is not ahead by a small value."""
        column = self.metrics.main_column
        if not self.metrics.lower_is_better(column):
            return self.frame
        values = self.frame[column].astype(float).mask(self.frame["collapsed"])
        return self.frame.assign(**{column: values})

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """A row per loss, see :func:`anl_seg.study.report.significance.rank_frame`."""
        column = self.metrics.main_column
        return rank_frame(self.ranked, column, lower=self.metrics.lower_is_better(column))

    @cached_property
    def hide(self) -> Callable[[str], str]:
        """Take the machine's folders out of a text."""
        return path_hider(self.work_dir)
