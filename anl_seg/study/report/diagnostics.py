"""What ``LossDiagnosticsHook`` recorded in the runs of a study, as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from anl_seg.study.metrics import mean_of_known
from anl_seg.study.report.frames import setting_texts
from anl_seg.study.report.results import Results
from anl_seg.study.report.tables import Table

#: Start and end of a training: this share of its records, one at least.
_END = 0.2
#: Column -> key of a record, factor, digits.
_COLUMNS = {
    "pull": ("pull", 1, 3),
    "gradient, %": ("gradient", 100, 1),
    "probability": ("prob", 1, 2),
    "flat, %": ("flat", 100, 0),
    "logit scale": ("logit_scale", 1, 1),
}


def _rarest(lines: Sequence[dict]) -> tuple[int, float]:
    """The class with the smallest share of the pixels, of those that have any, and its share."""
    shares = [mean_of_known(values) for values in zip(*(line["pixels"] for line in lines))]
    share, index = min(((v, k) for k, v in enumerate(shares) if v > 0), default=(0.0, 0))
    return index, share


def _ends(lines: Sequence[dict], key: str, index: int) -> list[float]:
    """A quantity at the start and at the end of one run."""
    values = [line[key] if key == "logit_scale" else line[key][index] for line in lines]
    count = max(1, round(_END * len(values)))
    return [mean_of_known(values[:count]), mean_of_known(values[-count:])]


def _cell(ends: Sequence[Sequence[float]], factor: float, digits: int) -> str:
    """``start → end``, each the mean over runs; ``-`` for what no run has."""
    means = [mean_of_known(of_runs) for of_runs in zip(*ends)]
    texts = ["-" if math.isnan(v) else f"{factor * v:.{digits}f}" for v in means]
    return " → ".join(texts) if set(texts) != {"-"} else "-"


def _by_part(lines: Sequence[dict]) -> dict[str, list[dict]]:
    """Label of a part of the loss -> its lines; the label is empty where the loss has one part."""
    parts: dict[str, list[dict]] = {}
    for line in lines:
        parts.setdefault(line["loss"], []).append(line)
    if len(parts) == 1:
        return {"": list(lines)}
    return {
        f", {path.rsplit('loss_decode', 1)[-1].lstrip('.')}": found for path, found in parts.items()
    }


def _table(setting: str, losses: Mapping[str, Sequence[Sequence[dict]]]) -> Table:
    lines = [line for runs in losses.values() for run in runs for line in run]
    index, share = _rarest(lines)
    by = " or ".join(sorted({line["by"] for line in lines}))
    rows = []
    for label, runs in losses.items():
        cells = [
            _cell([_ends(run, key, index) for run in runs], factor, digits)
            for key, factor, digits in _COLUMNS.values()
        ]
        rows.append([label, str(len(runs)), *cells])
    note = f"Class {index}, {100 * share:.1f} % of the pixels, by {by} label."
    return Table(["loss", "runs", *_COLUMNS], rows, title=setting, note=note)


def diagnostics_tables(results: Results) -> list[Table]:
    """What the losses did to the rarest class: a table per setting whose finished runs have records of
    ``LossDiagnosticsHook``, with a row per loss, and per part where a run has several. The notes say which
    class it is, and whose labels count."""
    settings = setting_texts(results.frame)
    found: dict[str, dict[str, list[list[dict]]]] = {}
    for record in results.finished:
        if not record.diagnostics:
            continue
        of_setting = found.setdefault(settings[record.folder], {})
        for part, lines in _by_part(record.diagnostics).items():
            of_setting.setdefault(record.axes["loss"] + part, []).append(lines)
    return [_table(setting, losses) for setting, losses in found.items()]
