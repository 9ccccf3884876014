"""What became of each class at the end of a run, and how many classes were lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from anl_seg.study.run_record import RunRecord

#: A class below it, in percent, was not learned.
UNLEARNED = 1.0
_SAME = ("model", "options", "loss", "seed")


def class_values(record: RunRecord, main: str) -> dict[str, float]:
    """Class -> percent at the last validation, NaN left out; empty for a run that has not finished.

    Args:
        record: the run.
        main: the study's main metric. ``mDice`` and ``mDice.fg`` are means of ``Dice.<class>``, as
            ``PerClassIoUMetric`` logs them, ``mIoU`` of ``IoU.<class>``; others have no values of classes.
    """
    folder, slash, name = main.rpartition("/")
    kind = name.split(".", 1)[0]
    if record.status != "finished" or kind not in ("mDice", "mIoU") or not record.validations:
        return {}
    last = record.validations[max(record.validations)]
    start = f"{folder}{slash}{kind[1:]}."
    return {
        key.removeprefix(start): value
        for key, value in last.items()
        if key.startswith(start) and not math.isnan(value)
    }


def is_collapsed(record: RunRecord, main: str) -> bool:
    """Whether a finished run learned one class at most: it predicts that one whatever the image.

    By the values of its classes, or by how many of the rightly labelled training pixels of each class
    it predicts; below 1 % is not learned. Not where neither is known of two classes or more.
    """
    shares = (
        [*class_values(record, main).values()],
        [
            100 * part["right_correct_share"]
            for part in (
                record.memorization[-1].get("by_class") or [] if record.memorization else []
            )
            if part.get("right_correct_share") is not None
        ],
    )
    return record.status == "finished" and any(
        len(values) > 1 and sum(value >= UNLEARNED for value in values) <= 1 for values in shares
    )


def lost_classes(records: Sequence[RunRecord], main: str) -> list[tuple[float, float]]:
    """Per run, how many classes ended below 1 %, and below half of what they reached without noise.

    Without noise means: in the finished run with the same model, options, loss and seed whose labels no
    noise changed. NaN for a run without values of classes; the second also for a run that has no such
    other one.
    """
    values = [class_values(record, main) for record in records]
    clean: dict[tuple, Mapping[str, float]] = {}
    for record, found in zip(records, values):
        if found and not record.noise_share:
            clean.setdefault(tuple(record.axes[axis] for axis in _SAME), found)
    counts = []
    for record, found in zip(records, values):
        reference = clean.get(tuple(record.axes[axis] for axis in _SAME))
        unlearned = sum(v < UNLEARNED for v in found.values()) if found else math.nan
        if not (found and reference and record.noise_share):
            halved = math.nan
        else:
            halved = sum(v < reference.get(name, 0.0) / 2 for name, v in found.items())
        counts.append((float(unlearned), float(halved)))
    return counts
