"""Which differences between losses a study shows, and which it cannot show: ranks and paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata, wilcoxon

from anl_seg.study.report.frames import SETTING, groups

#: Below this a corrected p-value counts as a difference.
ALPHA = 0.05


def _by_loss(frame: pd.DataFrame, value: str, keys: Sequence[str]) -> dict[str, dict[tuple, float]]:
    """loss -> (what the keys say -> mean value of the finished runs that have one)."""
    table: dict[str, dict[tuple, float]] = {str(loss): {} for loss in frame["loss"]}
    finished = frame[frame["status"] == "finished"]
    for (loss, *names), group in groups(finished, ["loss", *keys]):
        known = group[value].astype(float).dropna()
        if len(known):
            table[str(loss)][tuple(names)] = float(known.mean())
    return table


def rank_frame(frame: pd.DataFrame, value: str, *, lower: bool = False) -> pd.DataFrame:
    """Mean rank of each loss over the settings, the best first.

    In each setting (model, options, noise, strength) losses are ranked by their mean over seeds; 1 is best,
    ties share the mean of their ranks. Only settings in which every loss with any value at all has one
    count, since ranks among different losses do not compare.

    Args:
        frame: of :func:`anl_seg.study.report.frames.runs_frame`.
        value: column to rank by.
        lower: whether small values are good.

    Returns:
        ``loss``, ``mean rank``, ``mean`` (of the value over these settings), ``settings`` (that count),
        ``of`` (all). A loss without any value, or with no setting that counts, has NaN.
    """
    table = _by_loss(frame, value, SETTING)
    settings = [names for names, _ in groups(frame, SETTING)]
    valued = [loss for loss, values in table.items() if values]
    complete = [s for s in settings if valued and all(s in table[loss] for loss in valued)]
    sign = 1 if lower else -1
    ranks = [rankdata([sign * table[loss][s] for loss in valued]) for s in complete]
    rows: list[dict[str, Any]] = []
    for loss, values in table.items():
        counted = [rank[valued.index(loss)] for rank in ranks] if loss in valued else []
        means = [values[s] for s in complete] if loss in valued else []
        rows.append(
            {
                "loss": loss,
                "mean rank": float(np.mean(counted)) if counted else math.nan,
                "mean": float(np.mean(means)) if means else math.nan,
                "settings": len(counted),
                "of": len(settings),
            }
        )
    order = sorted(rows, key=lambda row: (math.isnan(row["mean rank"]), row["mean rank"]))
    return pd.DataFrame(order)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of several p-values (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1; a corrected value is never below that of a
    smaller p, and at most 1. NaN stays, and does not count in m.
    """
    known = [i for i, p in enumerate(p_values) if not math.isnan(p)]
    corrected = [math.nan] * len(p_values)
    largest = 0.0
    for place, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(known) - place) * p_values[i]))
        corrected[i] = largest
    return corrected


def _signed_rank(differences: np.ndarray) -> tuple[float, int]:
    """Two-sided p of Wilcoxon's signed-rank test, and the number of pairs that differ."""
    count = int(np.count_nonzero(differences))
    if not count:
        return 1.0, 0
    p = float(wilcoxon(differences[differences != 0]).pvalue)
    # Where ties make scipy approximate, a few pairs could seem to say more than they can.
    return max(p, 2.0 ** (1 - count)), count


def paired_tests(
    frame: pd.DataFrame, value: str, reference: str, *, lower: bool = False, alpha: float = ALPHA
) -> pd.DataFrame:
    """Wilcoxon's signed-rank test of every loss against one, over pairs of the same setting and seed.

    Two-sided, Holm-corrected over the losses. Equal pairs are left out, as Wilcoxon does. With n pairs
    no p can lie below 2^(1 - n): where the correction (the other losses' p as they are) brings even that
    above ``alpha`` the pairs are too few to conclude anything, whatever the values. The test takes pairs
    as independent, which seeds and settings that share data are not: it says what is consistent within this
    study.

    Args:
        frame: of :func:`anl_seg.study.report.frames.runs_frame`.
        value: column to compare.
        reference: loss to compare with.
        lower: whether small values are good.
        alpha: level of the verdict.

    Returns:
        A row per other loss: ``loss``, ``reference``, ``pairs``, ``wins``, ``losses``, ``ties``, ``mean
        difference`` (loss minus reference), ``p``, ``p corrected``, ``smallest p`` (the least that this
        many pairs could give after correction), ``verdict``: ``better``, ``worse``, ``no difference
        shown`` or ``too few pairs``.

    Raises:
        ValueError: no such loss.
    """
    table = _by_loss(frame, value, [*SETTING, "seed"])
    if reference not in table:
        raise ValueError(f"no loss {reference!r} to compare with; there are {', '.join(table)}.")
    rows: list[dict[str, Any]] = []
    for loss in (name for name in table if name != reference):
        shared = [key for key in table[loss] if key in table[reference]]
        differences = np.array([table[loss][key] - table[reference][key] for key in shared])
        p, count = _signed_rank(differences) if len(shared) else (math.nan, 0)
        good = -differences if lower else differences
        ranks = rankdata(np.abs(good[good != 0])) if count else np.zeros(0)
        rows.append(
            {
                "loss": loss,
                "reference": reference,
                "pairs": len(shared),
                "wins": int((good > 0).sum()),
                "losses": int((good < 0).sum()),
                "ties": len(shared) - count,
                "mean difference": float(differences.mean()) if len(shared) else math.nan,
                "p": p,
                "_better": float((ranks * np.sign(good[good != 0])).sum()) > 0,
            }
        )
    p_values = [row["p"] for row in rows]
    corrected = holm(p_values)
    for place, (row, p) in enumerate(zip(rows, corrected)):
        better = row.pop("_better")
        row["p corrected"] = p
        row["smallest p"] = math.nan
        if row["pairs"]:
            least = [*p_values[:place], 2.0 ** (1 - row["pairs"]), *p_values[place + 1 :]]
            row["smallest p"] = holm(least)[place]
        if not row["smallest p"] <= alpha:
            row["verdict"] = "too few pairs"
        elif p <= alpha:
            row["verdict"] = "better" if better else "worse"
        else:
            row["verdict"] = "no difference shown"
    columns = ["loss", "reference", "pairs", "wins", "losses", "ties", "mean difference"]
    columns += ["p", "p corrected", "smallest p", "verdict"]
    return pd.DataFrame(rows, columns=columns)
