"""Making sure that a corrupted data set is what its manifest says.

What the manifest names is never built: it is a file that may come from anywhere, and a config is
code. A source that is a config is given by whoever verifies; without it, files are compared with the
manifest alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Set
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from anl_seg._suggest import sentence
from anl_seg.corruption.corrupt_sample import corrupted, file_content, noisy_labels
from anl_seg.corruption.manifest import complete, head
from anl_seg.corruption.named_source import is_of_folders, noise_in, source_of
from anl_seg.corruption.plan import Plan, Target
from anl_seg.corruption.progress import shown
from anl_seg.corruption.record import Outcome, labels_sha256, outcome_of, source_changed
from anl_seg.corruption.sources import MaskSource
from anl_seg.corruption.verify_files import (
    compare_bytes,
    compare_counts,
    compare_names,
    names_there,
    verify_files,
)
from anl_seg.corruption.workers import unordered
from anl_seg.masks.manifest_file import FILE_NAME, differences, read_manifest
from anl_seg.masks.png import MaskPng, read_mask_png
from anl_seg.noise import NoiseStatistics


@dataclass
class Report:
    """What was found.

    Attributes:
        files: how many files the manifest lists.
        problems: one sentence each; none if everything is as it was written.
        notes: what is worth knowing and no problem.
        remade: whether the masks were made again and compared pixel by pixel.
    """

    files: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remade: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_manifest(
    path: str | os.PathLike,
    *,
    source: MaskSource | None = None,
    jobs: int = 1,
    console: Console | None = None,
) -> Report:
    """Compare a corrupted data set with its manifest and with a new corruption of its source.

    Every file's bytes are compared with the manifest's SHA-256, and its pixels with the noise computed
    again from the source; every number of the manifest with that of the files; and the manifest with
    its own checksum. Files that lack or are too many are found. Package versions that differ are a
    note, as the pixels themselves have been compared.

    Without ``source``, masks of a folder are read where the manifest says. A config is not: it is
    code, and the manifest may come from anywhere. Files, names, checksums and sums are compared then,
    and nothing is made again.

    Args:
        path: the manifest.
        source: the clean masks, see :func:`source_of`.
        jobs: worker processes.
        console: where progress is shown; None = standard error.

    Raises:
        FileNotFoundError: no manifest, or no source.
        ValueError: it is no manifest, or names a noise or source that cannot be built.
    """
    path = Path(path)
    console = console or Console(stderr=True)
    old, intact = read_manifest(path)
    report = Report()
    if intact:
        _verify(report, path, old, source, jobs, console)
        return report
    report.problems.append(f"{path.name}: was changed after it was written (wrong checksum)")
    try:
        _verify(report, path, old, source, jobs, console)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        report.problems.append(f"{path.name}: cannot be followed: {error!r}")
    return report


def _verify(
    report: Report,
    path: Path,
    old: dict[str, Any],
    source: MaskSource | None,
    jobs: int,
    console: Console,
) -> None:
    if old["status"] != "complete":
        report.problems.append(f"{path.name}: the run did not end; go on with --resume")
        return
    report.files = len(old["files"])
    if source is None and not is_of_folders(old):
        report.problems += verify_files(path.parent, old, jobs, console)
        return
    report.remade = True
    plan = Plan(source_of(old) if source is None else source, noise_in(old), old["seed"])
    moved = plan.source.origin != old["source"]
    settings = json.loads(json.dumps(head(plan)))
    records = {record["file"]: record for record in old["files"]}
    report.problems += _compare_names(path.parent, plan, records.keys())
    checks = [_ToCheck(t, records[t.file]) for t in plan.targets if t.file in records]
    found = []
    total = NoiseStatistics.zeros(plan.source.num_classes)
    with closing(unordered(_check, (plan, path.parent), checks, jobs)) as checked:
        for result in shown(checked, len(checks), "verifying", console):
            report.problems += result.problems
            if result.outcome is not None:
                found.append(result.outcome.record)
                total += result.outcome.statistics
    report.problems.sort()
    if len(found) == len(records) == len(plan.targets):
        settings = complete(settings, plan, found, total)
    _compare_settings(report, old, settings, moved)


class _ToCheck(NamedTuple):
    target: Target
    record: dict[str, Any]


class _Checked(NamedTuple):
    problems: list[str]
    outcome: Outcome | None


def _check(state: tuple[Plan, Path], job: _ToCheck) -> _Checked:
    plan, out = state
    target, record = job
    file = target.file
    problems, data = compare_bytes(out, record)
    if data is None:
        return _Checked(problems, None)
    try:
        sample, noisy = corrupted(plan, target)
        expected = file_content(plan, target, sample, noisy)
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        text = f"{file}: cannot be made again: {sentence(error)}"
        return _Checked([*problems, text], None)
    if labels_sha256(sample.mask) != record.get("clean_sha256"):
        problems.append(f"{file}: the source's mask has changed since")
    try:
        found = read_mask_png(data, file)
    except ValueError as error:
        return _Checked([*problems, str(error)], None)
    problems += _compare_pixels(file, found, expected)
    try:
        outcome = outcome_of(plan, target, sample, noisy_labels(plan, target, found), data)
    except ValueError:  # named already
        return _Checked(problems, None)
    if source_changed(record, outcome.record) == "image":
        problems.append(f"{file}: the source's image has changed since")
    if not problems:
        # Older manifests say nothing about images; the noise has just been made from them.
        new = {
            key: v for key, v in outcome.record.items() if key in record or key != "image_sha256"
        }
        problems = [f"{FILE_NAME}: {file}: {text}" for text in differences(record, new)]
    return _Checked(problems, outcome)


def _compare_pixels(file: str, found: MaskPng, expected: MaskPng) -> list[str]:
    problems = []
    if found.values.shape != expected.values.shape:
        problems.append(
            f"{file}: is {found.values.shape}, the noise gives {expected.values.shape} (H, W)"
        )
    elif not np.array_equal(found.values, expected.values):
        count = int((found.values != expected.values).sum())
        problems.append(f"{file}: {count} pixels are not what the noise makes of the source")
    if (found.palette or b"").rstrip(b"\0") != (expected.palette or b"").rstrip(b"\0"):
        problems.append(f"{file}: the palette is not the source's")
    return problems


def _compare_names(out: Path, plan: Plan, listed: Set[str]) -> list[str]:
    planned = {target.file for target in plan.targets}
    problems = compare_names(names_there(out), set(listed))
    problems += [f"{name}: has no sample in the source any more" for name in listed - planned]
    return problems + [
        f"{name}: is a sample of the source that the manifest lacks" for name in planned - listed
    ]


def _compare_settings(
    report: Report, old: dict[str, Any], new: dict[str, Any], moved: bool
) -> None:
    """Compare what stands in the manifest beside the files."""
    versions = differences(old.get("packages"), new["packages"])
    if versions:
        report.notes.append(f"other package versions: {'; '.join(versions)}")
    # Files are compared one by one; a source may be encoded anew as long as its labels are the same.
    skipped = {"status", "packages", "samples", "files", "sha256"}
    if moved:
        skipped |= {"source"}
        for manifest in (old, new):
            manifest["datasets"] = [
                {key: dataset.get(key) for key in ("folder", "labels")}
                for dataset in manifest["datasets"]
            ]
    known = {key: value for key, value in new.items() if key not in skipped}
    listed = {key: old.get(key) for key in known}
    report.problems += [f"{FILE_NAME}: {text}" for text in differences(listed, known)]
    report.problems += compare_counts(old)
