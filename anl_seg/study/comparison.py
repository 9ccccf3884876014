"""A comparison: the small study that ``anl-seg compare`` makes of configs, losses, noises and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from pprint import pformat
from typing import Any

from rich.console import Console

from anl_seg.config.options import parse_cfg_options
from anl_seg.study.file import Study, study_of
from anl_seg.study.plan import StudyRun, plan_study, write_plan
from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.runner import StudyOutcome, only_runner, run_study
from anl_seg.study.run.state import check_work_dir
from anl_seg.study.run.threads import asked_threads
from anl_seg.study.run_record import RunRecord, read_run

#: Settings that tell the runs of a comparison apart: one value for all of them would mix them up.
_OWN = {"randomness.seed": "--seeds", "work_dir": "--work-dir", "resume": None, "load_from": None}


def _labels(configs: Sequence[str]) -> list[str]:
    """The parts of each config's name that not all configs share."""
    parts = [Path(c).stem.split("_") for c in configs]
    shared = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    return ["_".join(p for p in part if p not in shared) or "_".join(part) for part in parts]


def _models(configs: Sequence[str]) -> dict[str, str]:
    """Label -> absolute path of a config.

    Raises:
        ValueError: two configs have the same name.
    """
    labels = _labels(configs) if configs else []
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"duplicate runs: {labels.count(label)} configs are called {label!r}.")
    paths = [c if c.startswith("mmseg::") else str(Path(c).resolve()) for c in configs]
    return dict(zip(labels, paths))


def _settings(words: Sequence[str]) -> dict[str, Any]:
    """The words of ``--cfg-options``, for all runs.

    Raises:
        ValueError: no ``key=value``, or a setting that every run has of its own.
    """
    options = parse_cfg_options(words)
    for name, argument in _OWN.items():
        if name in options or name.partition(".")[0] in options:
            hint = f"give {argument}" if argument else "a run goes on from its own checkpoint"
            raise ValueError(f"--cfg-options {name}: each run has its own; {hint}.")
    return options


def _text(content: Mapping[str, Any]) -> str:
    """A study file."""
    lines = [
        f"{key} = {pformat(value, width=100, sort_dicts=False)}" for key, value in content.items()
    ]
    return "\n".join(["# Written by a comparison; `anl-seg study report` reads it.", *lines, ""])


def comparison_study(
    path: str | Path,
    configs: Sequence[str],
    noises: Sequence[str],
    seeds: Sequence[int],
    *,
    losses: Sequence[str] = (),
    metric: str = "mIoU",
    options: Sequence[str] = (),
) -> Study:
    """Every config with its own loss, or, where losses are given, with each of them.

    Args:
        path: where its study file is to be.
        configs: paths; the parts of their names that differ become the labels.
        noises: noises as on the command line.
        seeds: of training and noise.
        losses: losses as on the command line.
        metric: what runs are compared by.
        options: words of ``--cfg-options`` for every run.

    Raises:
        FileNotFoundError: a config that is not there.
        TypeError, ValueError: nothing to compare, something that is given twice, or a wrong noise, loss,
            seed or option.
    """
    if not (configs and noises and seeds):
        raise ValueError("a comparison needs at least one config, one noise and one seed.")
    axes: dict[str, Any] = {"model": _models(configs), "noise": list(noises), "seed": list(seeds)}
    if losses:
        axes["loss"] = list(losses)
    if settings := _settings(options):
        axes["options"] = {"default": settings}
    metrics = {"main": metric, "memorization_interval": None}
    content = {"axes": axes, "metrics": metrics, "retries": 0}
    return study_of(content, Path(path).absolute(), _text(content))


def run_comparison(
    study: Study,
    *,
    jobs: int | None = None,
    console: Console | None = None,
    train_script: str | Path | None = None,
) -> tuple[list[StudyRun], StudyOutcome]:
    """Write study file and plan, and run what is not finished, in the folder of the study file.

    Args:
        study: of :func:`comparison_study`.
        jobs: trainings at a time; each has as many CPU threads as ``OMP_NUM_THREADS`` says, else its share
            of the cores.
        console: where progress goes; None = standard output.
        train_script: None = that of this package.

    Returns:
        The runs, and how they ended.

    Raises:
        KeyError, TypeError, ValueError: see :func:`plan_study` and :func:`run_study`; ``jobs`` below 1, or a
            folder that cannot be written.
    """
    work_dir = study.path.parent
    runs = plan_study(study, work_dir)
    executor = LocalExecutor(jobs, cpus_per_run=asked_threads())
    check_work_dir(work_dir)
    with only_runner(work_dir):
        study.path.write_text(study.text, encoding="utf-8")
        write_plan(study, runs, work_dir)
    outcome = run_study(
        runs,
        executor,
        work_dir,
        retries=study.retries,
        console=console,
        train_script=train_script,
        main_metric=study.metrics["main"],
    )
    return runs, outcome


def read_runs(runs: Sequence[StudyRun], work_dir: str | Path, metric: str) -> list[RunRecord]:
    """What there is of some runs of a study.

    Args:
        runs: planned runs.
        work_dir: of the study.
        metric: a step counts as a validation if it logged this.
    """
    work_dir = Path(work_dir).absolute()
    return [read_run(work_dir, run.record(work_dir), [metric]) for run in runs]
