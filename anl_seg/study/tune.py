"""Searching the parameters of a loss: a space of values, and what a setting of them is worth."""

from __future__ import annotations

import ast
import errno
import itertools
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from mmengine.config import Config

from anl_seg._signature import parameters_of
from anl_seg._suggest import WRONG_INPUT, sentence, unknown_name
from anl_seg.config import inject_noise, load_config, parse_spec
from anl_seg.config.loss_config import loss_class, qualified_loss
from anl_seg.config.options import parse_cfg_options
from anl_seg.study.comparison import comparison_study, read_runs
from anl_seg.study.judges import judged_config
from anl_seg.study.plan import StudyRun, plan_study
from anl_seg.study.run.executors import LocalExecutor
from anl_seg.study.run.reasons import NO_SPACE
from anl_seg.study.run.runner import run_study
from anl_seg.study.run.threads import asked_threads
from anl_seg.study.run_config import merge_settings
from anl_seg.study.run_record import final_value

#: Digits of a number that is tried; more would only make two trials of what is one.
DIGITS = 3
OBJECTIVES = ("clean", "noisy")
#: Settings of a space that are tried on the loss before anything is trained.
_MOST_PROBES = 4096
#: What Optuna's databases hold as it is.
_STORED = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class Interval:
    """Real numbers from ``low`` to ``high``, on a logarithmic scale where ``log`` says so."""

    low: float
    high: float
    log: bool = False

    def probes(self) -> tuple:
        """The middle and both ends."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return (middle, self.low, self.high)

    def suggest(self, trial: Any, name: str) -> float:
        """A value for a trial of Optuna, rounded to three digits."""
        value = trial.suggest_float(name, self.low, self.high, log=self.log)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple

    def probes(self) -> tuple:
        """All values."""
        return self.values

    def suggest(self, trial: Any, name: str) -> Any:
        """A value for a trial of Optuna, whose databases hold no lists and dicts: these as texts."""
        texts = {repr(v): v for v in self.values if not isinstance(v, _STORED)}
        choices = [v if isinstance(v, _STORED) else repr(v) for v in self.values]
        picked = trial.suggest_categorical(name, choices)
        return texts.get(picked, picked) if isinstance(picked, str) else picked


Space = dict[str, Union[Interval, Choice]]


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, got {text!r}.")
    return value


def _choice(text: str, values: str) -> Choice:
    """The choice in ``name=values``.

    Raises:
        ValueError: an empty value, or one that is given twice.
    """
    items: list[Any] = []
    for item in map(str.strip, values.split("|")):
        try:
            value = ast.literal_eval(item)
        except (ValueError, SyntaxError):
            value = item
        if item == "" or repr(value) in map(repr, items):
            raise ValueError(
                f"{text!r}: {'a value is empty' if item == '' else f'{item} comes twice'}."
            )
        items.append(value)
    return Choice(tuple(items))


def parse_space(texts: Sequence[str]) -> Space:
    """``['alpha=1:20', 'min_prob=1e-7:0.2:log', 'beta=1|5']`` as a space.

    Raises:
        ValueError: nothing to search, a parameter without values or given twice, or limits that are no
            range.
    """
    space: Space = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise ValueError(
                f"expected name=low:high, name=low:high:log or name=a|b|c, got {text!r}."
            )
        if name in space:
            raise ValueError(f"{name!r} is given twice.")
        if "|" in values or ":" not in values:
            space[name] = _choice(text, values)
            continue
        low, high, *scale = values.split(":")
        if scale not in ([], ["log"]):
            raise ValueError(f"{text!r}: after low:high comes log or nothing.")
        span = Interval(_number(low, text), _number(high, text), bool(scale))
        if not span.low < span.high or (span.log and span.low <= 0):
            raise ValueError(f"{text!r}: low must be below high, and above 0 on a log scale.")
        space[name] = span
    if not space:
        raise ValueError("there is no parameter to search.")
    return space


def loss_spec(loss: str, values: Mapping[str, Any]) -> str:
    """The loss as on the command line, with these values in place of or beside its own."""
    spec = {**parse_spec(loss), **values}
    kind = spec.pop("type")
    return f"{kind}:" + ",".join(f"{name}={value!r}" for name, value in spec.items())


def check_space(loss: str, space: Space) -> str:
    """Refuse a space that is none of a loss; otherwise a setting that the loss takes, as a loss spec.

    Args:
        loss: loss as on the command line.
        space: what is searched.

    Raises:
        KeyError: an unknown loss or parameter; the closest names are given.
        ValueError: the loss takes none of the values that were tried, or ``loss`` itself is wrong.
    """
    known, complete = parameters_of(loss_class(parse_spec(loss)["type"]))
    for name in space:
        if complete and name not in known:
            raise KeyError(unknown_name(f"parameter of {parse_spec(loss)['type']}", name, known))
    refusal = ""
    for tried, values in enumerate(itertools.product(*(kind.probes() for kind in space.values()))):
        spec = loss_spec(loss, dict(zip(space, values)))
        try:
            qualified_loss(parse_spec(spec))
        except WRONG_INPUT as error:
            refusal = refusal or sentence(error)
            if tried < _MOST_PROBES:
                continue
        return spec
    raise ValueError(f"{loss} takes no values of --space: {refusal}")


def check_free(options: Sequence[str], space: Space) -> None:
    """Refuse ``--cfg-options`` that set what is searched: every trial would be the same.

    Raises:
        ValueError: the option is named.
    """
    for name in parse_cfg_options(options):
        if name.rpartition(".")[2] in space and ".loss_" in name:
            raise ValueError(f"--cfg-options {name} has the last word over what --space searches.")


def tuning_config(
    config: str,
    noise: str,
    objective: str,
    seed: int,
    samples: int | None,
    folder: Path,
    options: Sequence[str] = (),
) -> str:
    """Write the config that trials train, with the validation set that judges them; its path.

    Args:
        config: path of the config.
        noise: noise as on the command line.
        objective: ``clean``: the config's validation masks; ``noisy``: these corrupted by ``noise``, as
            they would be where no clean mask is to be had.
        seed: of the noise of validation.
        samples: number of validation images, evenly spaced; None = all.
        folder: where the config is written.
        options: words of ``--cfg-options``.

    Raises:
        ValueError: an unknown objective, no validation set, fewer images than asked for, or some that are
            trained on.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {objective!r}.")
    cfg = load_config(config)
    merge_settings(cfg, parse_cfg_options(options))
    for loader in ("train_dataloader", "val_dataloader"):
        if not isinstance(cfg.get(loader), Mapping):
            raise ValueError(f"{config} has no single {loader} to judge trials by.")
    if objective == "noisy":
        part = Config(
            dict(
                model=cfg.model,
                train_dataloader=cfg.val_dataloader,
                noise_key_parts=cfg.get("noise_key_parts"),
            )
        )
        cfg.val_dataloader = inject_noise(part, parse_spec(noise), seed=seed).train_dataloader
    judged_config(cfg, samples)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(config).stem}_{objective}.py"
    temporary = path.with_name(f".{path.stem}.{id(cfg)}.py")
    cfg.dump(str(temporary))
    temporary.replace(path)  # several processes write the same
    return str(path)


def _passed_on(options: Sequence[str]) -> list[str]:
    """Options for the trainings: those of validation are in the config that judges, and stay so."""
    return [o for o in options if o.partition("=")[0].partition(".")[0] != "val_dataloader"]


def plan_trial(
    config: str,
    loss: str,
    noise: str,
    seeds: Sequence[int],
    work_dir: Path,
    *,
    metric: str,
    options: Sequence[str] = (),
) -> list[StudyRun]:
    """The runs of one setting of a loss, checked; see :func:`comparison_study` and :func:`plan_study`."""
    study = comparison_study(
        work_dir / "trial.py",
        [config],
        [noise],
        seeds,
        losses=[loss],
        metric=metric,
        options=_passed_on(options),
    )
    return plan_study(study, work_dir, allow_noisy_eval=True)


def value_of(runs: list[StudyRun], work_dir: Path, metric: str) -> float:
    """Final metric of the runs of a setting, their mean; trained if they are not finished already.

    Raises:
        KeyboardInterrupt: a signal has ended the trainings.
        OSError: there is no space left for them.
        RuntimeError: a run failed, or its metric is no finite number; it is said where.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    outcome = run_study(
        runs,
        LocalExecutor(1, cpus_per_run=asked_threads()),
        work_dir,
        retries=0,
        train_arguments=["--allow-noisy-eval"],
        main_metric=metric,
    )
    if outcome.stopped:
        raise KeyboardInterrupt
    for run, reason in outcome.failed.items():
        if reason.startswith(NO_SPACE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run.folder))
        raise RuntimeError(f"a run failed: {reason}; see {run.folder / 'output.log'}.")
    values = []
    for record in read_runs(runs, work_dir, metric):
        final = final_value(record, metric)
        if not math.isfinite(final):
            raise RuntimeError(f"{metric} is {final} at the end of {work_dir / record.folder}.")
        values.append(final)
    return statistics.fmean(values)
