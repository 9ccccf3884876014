"""Figures that others published, beside those of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from anl_seg.study.report.frames import SETTING
from anl_seg.study.report.tables import Table
from anl_seg.study.run_record import strength_text

_AXES = (*SETTING, "loss")


def _text(value: Any) -> str:
    return (
        strength_text(value) if isinstance(value, Mapping) else "" if value is None else str(value)
    )


def published_table(published: Any, summary: pd.DataFrame, default_column: str) -> Table | None:
    """The published figures of a study file with ours in a last column; the note says where they come from.

    Args:
        published: None, or a dict with ``rows`` (a list of dicts; of their keys ``loss``, ``noise``,
            ``strength``, ``model`` and ``options`` say which of our runs a row compares with, all others are
            shown as they are) and, if wanted, ``source`` and ``caption`` (texts) and ``ours`` (a column of
            the runs, for example ``'last_k mDice.fg'``).
        summary: of :func:`anl_seg.study.report.frames.summary_frame`.
        default_column: without ``ours``.

    Returns:
        None without published figures. Rows that fit several of our settings, or none, have no figure of
        ours.

    Raises:
        ValueError: ``published`` is no such dict, or ``ours`` names no column.
    """
    if not published:
        return None
    rows = published.get("rows") if isinstance(published, Mapping) else None
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(
            f"published must be a dict with rows=[dict(loss=..., noise=..., ...), ...], got {published!r}"
        )
    column = published.get("ours", default_column)
    if f"{column} mean" not in summary:
        known = [name.removesuffix(" mean") for name in summary if name.endswith(" mean")]
        raise ValueError(
            f"published.ours names no column: {column!r}; there are {', '.join(known)}"
        )
    head = list(dict.fromkeys(key for row in rows for key in row))
    body = []
    for row in rows:
        fits = pd.Series(True, index=summary.index)
        for key in (axis for axis in _AXES if axis in row):
            fits &= summary[key].map(_text) == _text(row[key])
        found = summary[fits]
        ours = ""
        if len(found) == 1 and not math.isnan(found.iloc[0][f"{column} mean"]):
            only = found.iloc[0]
            ours = f"{only[f'{column} mean']:.2f}"
            if only[f"{column} n"] > 1:
                ours += f" ± {only[f'{column} std']:.2f}"
            ours += f" (n = {only[f'{column} n']})"
        body.append([*(_text(row.get(key)) for key in head), ours])
    caption = " ".join(
        str(text).rstrip(".") + "."
        for text in (
            published.get("caption"),
            published.get("source") and f"Source: {published['source']}",
        )
        if text
    )
    return Table([*head, f"ours: {column}"], body, note=caption)
