"""Values of the classes at the end of the runs of a study: as data, and as tables of classes by losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from anl_seg.study.class_values import class_values
from anl_seg.study.run_record import RunRecord
from anl_seg.study.table_text import Texts
from anl_seg.study.tables import mean_of_known, setting_texts

_AXES = ["digest", "model", "options", "noise", "strength", "loss", "seed"]


def class_frame(
    plan: Mapping[str, Any], records: Sequence[RunRecord], frame: pd.DataFrame
) -> pd.DataFrame:
    """One row per finished run and class: the run's digest and axes, its ``setting`` in words, ``class``
    and ``value``, percent at the end.

    Args:
        plan: of the study.
        records: its runs.
        frame: of :func:`anl_seg.study.tables.frame_of`, a row per run in the same order.
    """
    runs = zip(frame[_AXES].astype(object).to_numpy().tolist(), setting_texts(frame), records)
    rows = [
        [*axes, setting, name, value]
        for axes, setting, record in runs
        for name, value in class_values(record, plan["metrics"]["main"]).items()
    ]
    return pd.DataFrame(rows, columns=[*_AXES, "setting", "class", "value"])


def class_tables(classes: pd.DataFrame) -> list[tuple[str, Texts]]:
    """Per setting, in words, a table of classes by losses: means over the seeds.

    Args:
        classes: of :func:`class_frame`.
    """
    tables = []
    for setting, rows in classes.groupby("setting", sort=False):
        losses = list(dict.fromkeys(rows["loss"]))
        texts = []
        for name, of_class in rows.groupby("class", sort=False):
            means = [mean_of_known(of_class["value"][of_class["loss"] == loss]) for loss in losses]
            texts.append([name, *("-" if math.isnan(mean) else f"{mean:.1f}" for mean in means)])
        tables.append((setting, Texts(["class", *losses], texts)))
    return tables
