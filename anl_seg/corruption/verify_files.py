"""Comparing the files of a corrupted data set with its manifest alone: nothing is built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from anl_seg._files import inside, read_regular_file
from anl_seg._suggest import sentence
from anl_seg.corruption.progress import shown
from anl_seg.corruption.workers import unordered
from anl_seg.masks.manifest_file import FILE_NAME


class FileBytes(NamedTuple):
    """A file as it was found.

    Attributes:
        problems: one sentence each.
        data: its bytes; None if it cannot be read.
    """

    problems: list[str]
    data: bytes | None


def compare_bytes(out: Path, record: Mapping[str, Any]) -> FileBytes:
    """Read a file of the manifest and compare its bytes with the SHA-256 there."""
    name = record["file"]
    try:
        path = inside(out, name, "mask file")
        data = read_regular_file(path, "mask file")
    except FileNotFoundError as error:
        # One that is not there at all is named with all that are missing.
        return FileBytes([f"{name}: {error}"] if (out / name).is_symlink() else [], None)
    except (OSError, ValueError) as error:
        return FileBytes([f"{name}: {sentence(error)}"], None)
    same = hashlib.sha256(data).hexdigest() == record["sha256"]
    return FileBytes(
        [] if same else [f"{name}: its bytes are not those of the manifest's sha256"], data
    )


def names_there(out: Path) -> set[str]:
    """The names of all files in a corrupted data set's folder but the manifest's."""
    found = (path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(out).as_posix() for path in found} - {FILE_NAME}


def compare_names(names: set[str], listed: set[str]) -> list[str]:
    """Which files lack and which are too many."""
    return [f"{name}: is missing" for name in listed - names] + [
        f"{name}: is not in the manifest" for name in names - listed
    ]


def compare_counts(manifest: Mapping[str, Any]) -> list[str]:
    """Compare the totals of a manifest with the numbers of its files."""
    records = manifest["files"]
    totals = manifest.get("totals")
    totals = totals if isinstance(totals, dict) else {}
    counted = {
        "files": len(records),
        "valid_pixels": sum(record["valid_pixels"] for record in records),
        "changed_pixels": sum(record["changed_pixels"] for record in records),
    }
    problems = [
        f"{FILE_NAME}: totals.{name} is {totals.get(name)}, its files have {count}"
        for name, count in counted.items()
        if totals.get(name) != count
    ]
    confusion = _table(manifest.get("confusion"))
    pixels = int(confusion.sum())
    changed = pixels - int(np.trace(confusion))
    if (pixels, changed) != (counted["valid_pixels"], counted["changed_pixels"]):
        problems.append(f"{FILE_NAME}: confusion does not sum up to the pixels of its files")
    count = manifest["samples"].get("count")
    if count != len(records):
        problems.append(f"{FILE_NAME}: samples.count is {count}, but lists {len(records)}")
    return problems


def _table(confusion: Any) -> np.ndarray:
    """(C, C) int64; (0, 0) for anything that is no such table."""
    try:
        table = np.array(confusion, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        table = np.zeros(0, dtype=np.int64)
    return table if table.ndim == 2 else np.zeros((0, 0), dtype=np.int64)


def verify_files(out: Path, manifest: Mapping[str, Any], jobs: int, console: Console) -> list[str]:
    """All that can be found wrong without making a mask again, sorted."""
    records = manifest["files"]
    problems = compare_names(names_there(out), {record["file"] for record in records})
    with closing(unordered(compare_bytes, out, records, jobs)) as compared:
        for found in shown(compared, len(records), "comparing", console):
            problems += found.problems
    return sorted(problems) + compare_counts(manifest)
