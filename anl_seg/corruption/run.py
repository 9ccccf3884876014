"""Corrupting a data set: from a source of clean masks to a folder with a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from anl_seg._suggest import sentence
from anl_seg.corruption.atomic import remove_leftovers
from anl_seg.corruption.lock import locked
from anl_seg.corruption.manifest import complete, head
from anl_seg.corruption.manifest_file import FILE_NAME, differences, read_manifest, write_manifest
from anl_seg.corruption.one_sample import Outcome, write_sample
from anl_seg.corruption.plan import Plan, Target
from anl_seg.corruption.progress import shown
from anl_seg.corruption.sources import MaskSource
from anl_seg.corruption.workers import unordered
from anl_seg.noise import MaskNoise, build_noise


def noise_of(source: MaskSource, noise: dict | None, seed: int | None) -> tuple[dict, int]:
    """The noise and seed to use: those given, else those by which the config corrupts its masks.

    Raises:
        ValueError: neither, both, or other settings than the config's.
    """
    own = source.corruption
    if noise is None:
        if own is None:
            raise ValueError("no noise: give --noise, or a config whose pipeline has CorruptMask.")
        if seed is not None and seed != own["seed"]:
            raise ValueError(f"the config's CorruptMask has seed {own['seed']}, not {seed}.")
        for name in ("num_classes", "ignore_index"):
            if getattr(source, name) != own[name]:
                raise ValueError(
                    f"the config's CorruptMask has {name}={own[name]}, not {getattr(source, name)}."
                )
        return own["noise"], own["seed"]
    if own is not None:
        raise ValueError(
            f"the config corrupts its masks already, by {own['noise']['type']}: leave --noise out, or "
            "take CorruptMask out of the config."
        )
    return build_noise(noise).config(), 0 if seed is None else seed


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
        resume: go on in a folder that an interrupted run has left.
        jobs: worker processes.
        console: where progress is shown; None = standard error.

    Returns:
        What was planned, and the manifest.

    Raises:
        ValueError: a wrong folder or noise, a sample that cannot be corrupted, or, with ``resume``, a
            folder of another noise, seed, source or version.
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
    with locked(out):
        if resume:
            remove_leftovers(out)
        if (out / FILE_NAME).is_file() and resume:
            _check_same(out / FILE_NAME, settings)
        elif any(out.iterdir()):
            if not resume:
                raise ValueError(
                    f"'{out}' is not empty: choose another folder, or give --resume to go on with a run "
                    "that was interrupted there."
                )
            raise ValueError(f"'{out}' holds files but no {FILE_NAME}: nothing to resume there.")
        else:
            write_manifest(out, settings)
        console = console or Console(stderr=True)
        try:
            with closing(unordered(_write, (plan, out), plan.targets, jobs)) as done:
                outcomes = list(shown(done, len(plan.targets), "corrupting", console))
        except BaseException:
            remove_leftovers(out)
            # A run that could not write one file is not worth resuming.
            if not resume and all(
                path == out / FILE_NAME or path.is_dir() for path in out.rglob("*")
            ):
                (out / FILE_NAME).unlink()
            raise
        manifest = complete(settings, plan, outcomes)
        write_manifest(out, manifest)
    return plan, manifest


def _write(state: tuple[Plan, Path], target: Target) -> Outcome:
    plan, out = state
    try:
        return write_sample(plan, target, out)
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise ValueError(f"sample {target.key!r}: {sentence(error)}") from error


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


def _check_same(path: Path, settings: dict[str, Any]) -> None:
    """Raise a ValueError if a manifest is not that of a run with these settings."""
    old, intact = read_manifest(path)
    if not intact:
        raise ValueError(f"'{path}' was changed after it was written; start again elsewhere.")
    old = {key: old.get(key) for key in settings}
    found = differences({**old, "status": None}, {**settings, "status": None})
    if found:
        raise ValueError(
            f"'{path.parent}' holds another run and is not resumed: {'; '.join(found[:5])}"
            f"{f'; and {len(found) - 5} more' if len(found) > 5 else ''}."
        )
