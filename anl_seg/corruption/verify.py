"""Making sure that a corrupted data set is what its manifest says: all of it is computed once more."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from anl_seg._suggest import sentence
from anl_seg.corruption.manifest import complete, head
from anl_seg.corruption.manifest_file import FILE_NAME, differences, read_manifest
from anl_seg.corruption.one_sample import (
    Outcome,
    corrupted,
    file_content,
    labels_sha256,
    outcome_of_file,
)
from anl_seg.corruption.plan import Plan, Target
from anl_seg.corruption.png import read_mask_png
from anl_seg.corruption.progress import shown
from anl_seg.corruption.sources import MaskSource, config_source, folder_source
from anl_seg.corruption.workers import unordered


@dataclass
class Report:
    """What was found.

    Attributes:
        files: how many files the manifest lists.
        problems: one sentence each; none if everything is as it was written.
        notes: what is worth knowing and no problem.
    """

    files: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def source_of(manifest: dict[str, Any], **moved: str) -> MaskSource:
    """The source that a manifest names.

    Args:
        manifest: see :func:`anl_seg.corruption.manifest.read_manifest`.
        moved: ``config``, ``masks`` or ``images``, where these lie elsewhere by now.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: the manifest names none.
    """
    origin = {**manifest["source"], **moved}
    kinds = {name: manifest[name] for name in ("num_classes", "ignore_index", "key_parts")}
    if "masks" in origin:
        return folder_source(
            origin["masks"],
            origin["images"],
            mask_suffix=origin["mask_suffix"],
            image_suffix=origin["image_suffix"],
            **kinds,
        )
    if origin.get("config") is None:
        raise ValueError("the manifest names no config file: name it after the manifest.")
    options = origin["cfg_options"]
    return config_source(origin["config"], origin["split"], cfg_options=options, **kinds)


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

    Args:
        path: the manifest.
        source: the clean masks; None = where the manifest says.
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
    if old.get("status") != "complete":
        report.problems.append(f"{path.name}: the run did not end; go on with --resume")
        return
    moved = source is not None
    plan = Plan(source_of(old) if source is None else source, old["noise"], old["seed"])
    settings = json.loads(json.dumps(head(plan)))
    records = {record["file"]: record for record in old["files"]}
    report.files = len(records)
    _compare_names(report, path.parent, plan, records)
    checks = [_ToCheck(t, records[t.file]) for t in plan.targets if t.file in records]
    outcomes = []
    with closing(unordered(_check, (plan, path.parent), checks, jobs)) as checked:
        for result in shown(checked, len(checks), "verifying", console):
            report.problems += result.problems
            if result.outcome is not None:
                outcomes.append(result.outcome)
    report.problems.sort()
    if len(outcomes) == len(records) == len(plan.targets):
        _compare_settings(report, old, complete(settings, plan, outcomes), moved)
    else:
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
    if not (out / file).is_file():
        return _Checked([], None)  # named already
    data = (out / file).read_bytes()
    problems = []
    if hashlib.sha256(data).hexdigest() != record.get("sha256"):
        problems.append(f"{file}: its bytes are not those of the manifest's sha256")
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
    if found.values.shape != expected.values.shape:
        problems.append(
            f"{file}: is {found.values.shape}, the noise gives {expected.values.shape} (H, W)"
        )
    elif not np.array_equal(found.values, expected.values):
        count = int((found.values != expected.values).sum())
        problems.append(f"{file}: {count} pixels are not what the noise makes of the source")
    if (found.palette or b"").rstrip(b"\0") != (expected.palette or b"").rstrip(b"\0"):
        problems.append(f"{file}: the palette is not the source's")
    outcome = outcome_of_file(plan, target, data)
    if outcome is not None and not problems:
        problems = [f"{FILE_NAME}: {file}: {d}" for d in differences(record, outcome.record)]
    return _Checked(problems, outcome)


def _compare_names(
    report: Report, out: Path, plan: Plan, records: dict[str, dict[str, Any]]
) -> None:
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()} - {
        FILE_NAME
    }
    planned = {target.file for target in plan.targets}
    for names, text in (
        (records.keys() - there, "is missing"),
        (there - records.keys(), "is not in the manifest"),
        (records.keys() - planned, "has no sample in the source any more"),
        (planned - records.keys(), "is a sample of the source that the manifest lacks"),
    ):
        report.problems += [f"{name}: {text}" for name in names]


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
    count = old.get("samples", {}).get("count")
    if count != report.files:
        report.problems.append(f"{FILE_NAME}: samples.count is {count}, but lists {report.files}")
