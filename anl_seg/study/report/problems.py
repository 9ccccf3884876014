"""What is missing from a study or went wrong in it, in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anl_seg.study.report.results import Results
from anl_seg.study.run.state import DAMAGED
from anl_seg.study.run_record import RunRecord

#: Folders that belong to no planned run are named up to this number.
_NAMED = 10


@dataclass(frozen=True)
class Problem:
    """A statement, and the runs it is about.

    Attributes:
        text: one sentence.
        runs: name, digest and what there is to say of each run.
    """

    text: str
    runs: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def catching(problems: list[Problem], hide: Callable[[str], str], what: str) -> Iterator[None]:
    """Make an error in one part of the report a problem: it must not cost the other parts."""
    try:
        yield
    except Exception as error:
        text = f"The {what} could not be made ({type(error).__name__}: {error})."
        problems.append(Problem(hide(text)))


def _about(
    records: Sequence[RunRecord],
    text: str,
    applies: Callable[[RunRecord], bool] = lambda record: True,
    detail: Callable[[RunRecord], str] = lambda record: "",
) -> list[Problem]:
    """A problem of the runs that something applies to; none without such a run. ``{n}`` is their number."""
    found = [(r.name, r.digest, detail(r)) for r in records if applies(r)]
    runs = f"{len(found)} run{'' if len(found) == 1 else 's'}"
    return [Problem(text.replace("{n}", runs), found)] if found else []


def trained_on_noise(record: RunRecord) -> bool:
    """Whether the run's training masks were corrupted."""
    return record.noise_share is not None or "CorruptMask" in record.config


def _differing(records: Sequence[RunRecord], what: str, of: Callable[[dict], Any]) -> list[Problem]:
    """A problem if the finished runs' environments differ in something."""
    found: dict[str, int] = {}
    for record in records:
        if record.environment:
            value = str(of(record.environment))
            found[value] = found.get(value, 0) + 1
    if len(found) < 2:
        return []
    values = "; ".join(f"{value} ({count} runs)" for value, count in found.items())
    return [Problem(f"The runs differ in {what}: {values}.")]


def unplanned_folders(work_dir: Path, records: Sequence[RunRecord]) -> list[str]:
    """Folders of runs that the plan does not have."""
    planned = {record.folder for record in records}
    folders = sorted(path for path in (work_dir / "runs").glob("*") if path.is_dir())
    names = [path.relative_to(work_dir).as_posix() for path in folders]
    return [name for name in names if name not in planned]


def find_problems(results: Results) -> list[Problem]:
    """Statements on everything that is missing, failed or does not compare; empty if there is nothing."""
    records, finished, frame = results.records, results.finished, results.frame
    main, *others = results.metrics.names
    last_k = results.metrics.last_k

    def logged(record: RunRecord, metric: str) -> bool:
        return any(metric in values for values in record.validations.values())

    problems = [
        *_about(
            records,
            "Failed, and left out of every mean: {n}.",
            lambda r: r.status == "failed",
            lambda r: f"{r.reason.rstrip('.')}; {len(r.attempts)} attempts; log: {r.log}",
        ),
        *_about(
            records,
            "The state cannot be read, so that nothing is known of how it ended, and it is left out of every "
            "mean: {n}.",
            lambda r: r.status == DAMAGED,
            lambda r: r.reason.rstrip("."),
        ),
        *_about(
            records,
            "Not at its end when this report was made, still running or interrupted: {n}.",
            lambda r: r.status not in ("failed", "finished", "planned", DAMAGED),
            lambda r: (
                f"{r.status}, last validation at {max(r.validations, default=0)}; log: {r.log}"
            ),
        ),
        *_about(records, "Planned and not started: {n}.", lambda r: r.status == "planned"),
        *_about(
            finished,
            f"Finished without any validation that logged {main}: {{n}}.",
            lambda r: not logged(r, main),
            lambda r: f"log: {r.log}",
        ),
        *_about(
            finished,
            f"Finished with {main} = NaN: {{n}}.",
            lambda r: logged(r, main) and math.isnan(frame.at[r.folder, f"final {main}"]),
            lambda r: f"log: {r.log}",
        ),
        *_about(
            finished,
            "Collapsed: predict one class only, so that few memorized pixels, or a small error, say nothing "
            "good of them; they are not marked as best by small values, and do not count in ranks by them: "
            "{n}.",
            lambda r: bool(frame.at[r.folder, "collapsed"]),
        ),
    ]
    for metric in others:
        lacking = [record for record in finished if not logged(record, metric)]
        if lacking and len(lacking) == len(finished):
            problems.append(Problem(f"No run logged the metric {metric}."))
        else:
            problems += _about(lacking, f"Finished without logging {metric}: {{n}}.")
    problems += [
        *_about(
            finished,
            f"Fewer validations than the {last_k} that last_k is the mean of, so that it is the mean of "
            "those there are: {n}.",
            lambda r: 0 < len(r.validations) < last_k,
            lambda r: f"{len(r.validations)} validations",
        ),
        *_about(
            finished,
            "Trained on noisy masks, and no memorization record: {n}.",
            lambda r: trained_on_noise(r) and not r.memorization,
        ),
        *_about(
            finished,
            "Trained on noisy masks, and no record of how much noise that was: {n}.",
            lambda r: trained_on_noise(r) and r.noise_share is None,
        ),
        *_about(
            finished,
            "No last checkpoint, so that predictions cannot be drawn: {n}.",
            lambda r: r.checkpoint is None,
        ),
        *_differing(finished, "commit", lambda e: e.get("commit")),
        *_differing(
            finished,
            "versions",
            lambda e: ", ".join(f"{k} {v}" for k, v in (e.get("packages") or {}).items()),
        ),
        *_differing(finished, "device", lambda e: e.get("device")),
        *(Problem(text) for record in records for text in record.problems),
    ]
    left = unplanned_folders(results.work_dir, records)
    if left:
        problems.append(
            Problem(
                f"{len(left)} folders hold runs that are not in this plan and are not looked at: "
                f"{', '.join(left[:_NAMED])}{' and more' if len(left) > _NAMED else ''}."
            )
        )
    return problems
