"""Corrupting a data set: from a source of clean masks to a folder with a manifest."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from anl_seg._files import locked, remove_leftovers
from anl_seg._suggest import sentence
from anl_seg.corruption.corrupt_sample import MISSING, write_sample
from anl_seg.corruption.journal import Journal, journal_path, known_records
from anl_seg.corruption.manifest import complete, head
from anl_seg.corruption.out_folder import OutFolder
from anl_seg.corruption.plan import Plan, Target
from anl_seg.corruption.progress import shown
from anl_seg.corruption.record import Outcome
from anl_seg.corruption.sources import MaskSource
from anl_seg.corruption.workers import unordered
from anl_seg.masks.manifest_file import FILE_NAME, differences, read_manifest, write_manifest
from anl_seg.noise import MaskNoise, NoiseStatistics, build_noise


def noise_of(
    source: MaskSource, noise: dict | None, seed: int | None, *, other: bool = False
) -> tuple[dict, int]:
    """Return the noise and seed to use: those given, else those by which the config corrupts its masks.

    Args:
        source: the clean masks.
        noise: noise config; None = the config's own.
        seed: of the noise; None = the config's own, or 0 for a noise that is given.
        other: whether they may differ from those by which the config corrupts its masks already.

    Raises:
        ValueError: no noise; without ``other`` also both, or other settings than the config's.
    """
    own = source.corruption
    if own is not None and not other:
        _check_own(source, own, noise, seed)
    if noise is not None:
        return build_noise(noise).config(), 0 if seed is None else seed
    if own is None:
        raise ValueError("no noise: give --noise, or a config whose pipeline has CorruptMask.")
    return own["noise"], own["seed"] if seed is None else seed


def _check_own(
    source: MaskSource, own: Mapping[str, Any], noise: dict | None, seed: int | None
) -> None:
    """Raise a ValueError unless masks would be corrupted as the config itself does."""
    if noise is not None:
        raise ValueError(
            f"the config corrupts its masks already, by {own['noise']['type']}: leave --noise out, or "
            "take CorruptMask out of the config."
        )
    if seed is not None and seed != own["seed"]:
        raise ValueError(f"the config's CorruptMask has seed {own['seed']}, not {seed}.")
    for name in ("num_classes", "ignore_index"):
        if getattr(source, name) != own[name]:
            raise ValueError(
                f"the config's CorruptMask has {name}={own[name]}, not {getattr(source, name)}."
            )


def corrupt_dataset(
    source: MaskSource,
    noise: Mapping | MaskNoise,
    out: str | os.PathLike,
    *,
    seed: int = 0,
    resume: bool = False,
    jobs: int = 1,
    console: Console | None = None,
) -> tuple[Plan, dict[str, Any]]:
    """Write a corrupted PNG mask for every sample, and ``manifest.json``.

    Each mask is the one that ``CorruptMask`` with the same noise and seed makes online. Files appear whole
    or not at all. A run that was ended in whatever way and is resumed ends with the same bytes, the
    manifest's included, as one that was not.

    Args:
        source: the clean masks.
        noise: noise config, for example ``dict(type='SymmetricNoise', rate=0.4)``, or a noise.
        out: the folder to write to; not in or around the source's folders, and new or empty.
        seed: seed of the noise.
        resume: go on in a folder that an interrupted run has left. Files are kept that are as they
            were written and whose source is what it was; all others are made.
        jobs: worker processes.
        console: where progress is shown; None = standard error.

    Returns:
        What was planned, and the manifest.

    Raises:
        ValueError: a wrong folder or noise, a sample that cannot be corrupted, or, with ``resume``, a
            folder of another noise, seed, source or version.
        OSError: a file cannot be written, or the folder or files in it are gone at the end.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more; got {jobs}.")
    out = Path(out)
    plan = Plan(source, noise, seed)
    source.check_keys()
    source.warn_of_labels()
    _check_folder(source, out)
    # Through JSON, so that it compares equal to one that was read.
    settings = json.loads(json.dumps(head(plan)))
    out.mkdir(parents=True, exist_ok=True)
    console = console or Console(stderr=True)
    with locked(out):
        folder = OutFolder.of(out)
        known = _begin(out, plan, settings, resume)
        try:
            manifest = _make(folder, plan, settings, known, jobs, console)
        except BaseException:
            _clear(folder, keep=resume)
            raise
    return plan, manifest


def _begin(
    out: Path, plan: Plan, settings: dict[str, Any], resume: bool
) -> dict[str, dict[str, Any]]:
    """Make sure that the folder may be written to; what is known of its files, by file."""
    if resume:
        remove_leftovers(out)
    if os.path.lexists(out / FILE_NAME) and resume:
        _check_same(out / FILE_NAME, plan, settings)
        return known_records(out)
    if any(out.iterdir()):
        if not resume:
            raise ValueError(
                f"'{out}' is not empty: choose another folder, or give --resume to go on with a run "
                "that was interrupted there."
            )
        raise ValueError(f"'{out}' holds files but no {FILE_NAME}: nothing to resume there.")
    write_manifest(out, settings)
    return {}


def _make(
    folder: OutFolder,
    plan: Plan,
    settings: dict[str, Any],
    known: dict[str, dict[str, Any]],
    jobs: int,
    console: Console,
) -> dict[str, Any]:
    """Make or keep every file; the manifest, which has been written."""
    jobs_to_do = [_Job(target, known.get(target.file)) for target in plan.targets]
    records, sizes = [], []
    made: Counter[str | None] = Counter()
    total = NoiseStatistics.zeros(plan.source.num_classes)
    with Journal(folder.path, known.values()) as journal:
        if known:  # of a manifest that may have been whole; from here on files are exchanged
            write_manifest(folder.path, settings)
        with closing(unordered(_write, (plan, folder), jobs_to_do, jobs)) as done:
            for outcome in shown(done, len(jobs_to_do), "corrupting", console):
                journal.add(outcome.record)
                records.append(outcome.record)
                sizes.append((outcome.record["file"], outcome.size))
                total += outcome.statistics
                made[outcome.made] += 1
        folder.check_files(sizes)
        manifest = complete(settings, plan, records, total)
        write_manifest(folder.path, manifest)
        journal.remove()
    if known or made.keys() - {MISSING}:
        console.print(_resumed(made), markup=False, highlight=False, soft_wrap=True)
    return manifest


def _resumed(made: Mapping[str | None, int]) -> str:
    """What a resumed run did, in a line."""
    again = [f"; {count} made, as {why}" for why, count in made.items() if why is not None]
    return f"resumed: of {sum(made.values())} masks {made[None]} kept{''.join(again)}."


def _clear(folder: OutFolder, keep: bool) -> None:
    """Clear up after a run that failed; with no file written and no ``keep``, all of it."""
    out = folder.path
    # The folder may be gone or read-only; the error that led here is the one to be told.
    with contextlib.suppress(OSError):
        folder.check()
        remove_leftovers(out)
        ours = {out / FILE_NAME, journal_path(out)}
        if not keep and all(path in ours or path.is_dir() for path in out.rglob("*")):
            # Not worth resuming.
            for path in ours:
                path.unlink(missing_ok=True)


class _Job(NamedTuple):
    target: Target
    known: dict[str, Any] | None


def _write(state: tuple[Plan, OutFolder], job: _Job) -> Outcome:
    plan, folder = state
    folder.check()
    try:
        return write_sample(plan, job.target, folder.path, job.known)
    except OSError:
        folder.check()  # exchanged meanwhile, a folder is the reason
        raise
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise ValueError(f"sample {job.target.key!r}: {sentence(error)}") from error


def _check_folder(source: MaskSource, out: Path) -> None:
    """Raise a ValueError if the output is in or around a folder of the source."""
    where = out.resolve()
    for part in source.parts:
        for folder in sorted(part.folders()):
            kept = folder.resolve()
            if kept == where or kept in where.parents:
                raise ValueError(f"'{out}' lies in '{folder}', which holds the source's files.")
            if where in kept.parents:
                raise ValueError(f"the source's folder '{folder}' lies in '{out}'.")


def _check_same(path: Path, plan: Plan, settings: dict[str, Any]) -> None:
    """Raise a ValueError if a manifest is not that of a run with these settings."""
    old, intact = read_manifest(path)
    if not intact:
        raise ValueError(f"'{path}' was changed after it was written; start again elsewhere.")
    if (
        "sha256" in old["samples"]
    ):  # of an older version, which does not know files from what they were made
        samples = {"count": len(plan.targets), "sha256": plan.sizes_sha256()}
        settings = {**settings, "samples": samples}
    old = {key: old.get(key) for key in settings}
    found = differences({**old, "status": None}, {**settings, "status": None})
    if found:
        raise ValueError(
            f"'{path.parent}' holds another run and is not resumed: {'; '.join(found[:5])}"
            f"{f'; and {len(found) - 5} more' if len(found) > 5 else ''}."
        )
