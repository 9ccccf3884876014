"""What became of each class at the end of a run, and how many classes were lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from anl_seg.study.metrics import Metrics
from anl_seg.study.run_record import RunRecord

#: A class below it, in percent, was not learned.
UNLEARNED = 1.0
_SAME = ("model", "options", "loss", "seed")


def class_values(record: RunRecord, metrics: Metrics) -> dict[str, float]:
    """Class -> percent at the last validation, NaN left out; empty for a run that has not finished.

    Args:
        record: the run.
        metrics: of the study; the classes are those that its main metric is the mean of, as
            ``PerClassIoUMetric`` logs them.
    """
    start = metrics.class_prefix
    if record.status != "finished" or start is None or not record.validations:
        return {}
    last = record.validations[max(record.validations)]
    return {
        key.removeprefix(start): value
        for key, value in last.items()
        if key.startswith(start) and not math.isnan(value)
    }


def is_collapsed(record: RunRecord, metrics: Metrics) -> bool:
    """Whether a finished run learned one class at most: it predicts that one whatever the image.

    By the values of its classes, or by how many of the rightly labeled training pixels of each class
    it predicts; below 1 % is not learned. Not where neither is known of two classes or more.
    """
    parts = record.memorization[-1].get("by_class") or [] if record.memorization else []
    shares = [part.get("right_correct_share") for part in parts]
    known = (
        [*class_values(record, metrics).values()],
        [100 * share for share in shares if share is not None],
    )
    return record.status == "finished" and any(
        len(values) > 1 and sum(value >= UNLEARNED for value in values) <= 1 for values in known
    )


def lost_classes(records: Iterable[RunRecord], metrics: Metrics) -> dict[str, tuple[float, float]]:
    """Folder -> how many classes ended below 1 %, and below half of what they reached without noise.

    Without noise means: in the finished run with the same model, options, loss and seed whose labels no
    noise changed. NaN for a run without values of classes; the second also for a run that has no such
    other one.
    """
    values = [(record, class_values(record, metrics)) for record in records]
    clean: dict[tuple, Mapping[str, float]] = {}
    for record, found in values:
        if found and not record.noise_share:
            clean.setdefault(tuple(record.axes[axis] for axis in _SAME), found)
    counts = {}
    for record, found in values:
        unlearned = halved = math.nan
        if found:
            unlearned = float(sum(v < UNLEARNED for v in found.values()))
        reference = clean.get(tuple(record.axes[axis] for axis in _SAME))
        if found and reference and record.noise_share:
            halved = float(sum(v < reference.get(name, 0.0) / 2 for name, v in found.items()))
        counts[record.folder] = (unlearned, halved)
    return counts
