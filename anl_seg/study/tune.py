"""Searching the parameters of a loss: a space of values, and what a setting of them is worth."""

from __future__ import annotations

import ast
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from mmengine.config import Config

from anl_seg.config import inject_noise, load_config, parse_spec
from anl_seg.study.collect import collect_run
from anl_seg.study.launch import launch_runs
from anl_seg.study.plan import Experiment, Run, plan_runs

#: Digits of a number that is tried; more would only make two trials of what is one.
DIGITS = 3
OBJECTIVES = ("clean", "noisy")


@dataclass(frozen=True)
class Span:
    """Real numbers from ``low`` to ``high``, on a logarithmic scale where ``log`` says so."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple


Space = dict[str, Union[Span, Choice]]


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, got {text!r}.")
    return value


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
            items = []
            for item in values.split("|"):
                try:
                    items.append(ast.literal_eval(item.strip()))
                except (ValueError, SyntaxError):
                    items.append(item.strip())
            space[name] = Choice(tuple(items))
            continue
        low, high, *scale = values.split(":")
        if scale not in ([], ["log"]):
            raise ValueError(f"{text!r}: after low:high comes log or nothing.")
        span = Span(_number(low, text), _number(high, text), bool(scale))
        if not span.low < span.high or (span.log and span.low <= 0):
            raise ValueError(f"{text!r}: low must be below high, and above 0 on a log scale.")
        space[name] = span
    if not space:
        raise ValueError("there is no parameter to search.")
    return space


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Values for one trial of Optuna, real numbers rounded to three digits."""
    values = {}
    for name, kind in space.items():
        if isinstance(kind, Choice):
            values[name] = trial.suggest_categorical(name, kind.values)
        else:
            value = trial.suggest_float(name, kind.low, kind.high, log=kind.log)
            values[name] = min(max(float(f"{value:.{DIGITS}g}"), kind.low), kind.high)
    return values


def loss_spec(loss: str, values: Mapping[str, Any]) -> str:
    """The loss as on the command line, with these values in place of or beside its own."""
    spec = {**parse_spec(loss), **values}
    kind = spec.pop("type")
    return f"{kind}:" + ",".join(f"{name}={value!r}" for name, value in spec.items())


def tuning_config(
    config: str, noise: str, objective: str, seed: int, samples: int | None, folder: Path
) -> str:
    """Write the config that trials train, with the validation set that judges them; its path.

    Args:
        config: path of the config.
        noise: noise as on the command line.
        objective: ``clean``: the config's validation masks; ``noisy``: these corrupted by ``noise``, as
            they would be where no clean mask is to be had.
        seed: of the noise of validation.
        samples: only so many validation images, evenly spaced; None = all.
        folder: where the config is written.

    Raises:
        ValueError: an unknown objective, no validation set, or fewer images than asked for.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {objective!r}.")
    cfg = load_config(config)
    if not isinstance(cfg.get("val_dataloader"), Mapping):
        raise ValueError(f"{config} has no single val_dataloader to judge trials by.")
    if objective == "noisy":
        part = Config(dict(model=cfg.model, train_dataloader=cfg.val_dataloader))
        cfg.val_dataloader = inject_noise(part, parse_spec(noise), seed=seed).train_dataloader
    if samples is not None:
        from mmengine.registry import init_default_scope
        from mmseg.registry import DATASETS

        init_default_scope(cfg.get("default_scope", "mmseg"))
        total = len(DATASETS.build(cfg.val_dataloader.dataset))
        if not 1 <= samples <= total:
            raise ValueError(
                f"samples must lie in [1, {total}], the validation set; got {samples}."
            )
        cfg.val_dataloader.dataset.indices = [i * total // samples for i in range(samples)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(config).stem}_{objective}.py"
    temporary = path.with_name(f".{path.stem}.{id(cfg)}.py")
    cfg.dump(str(temporary))
    temporary.replace(path)  # several processes write the same
    return str(path)


class _JudgedRun(Run):
    """A run whose validation masks may be corrupted."""

    def command(self) -> list[str]:
        config, *rest = super().command()
        return [config, "--allow-noisy-eval", *rest]


def value_of(
    config: str,
    loss: str,
    noise: str,
    seeds: Sequence[int],
    metric: str,
    train_script: Path,
    work_dir: Path,
) -> float:
    """Final metric of a loss, mean over the seeds; trained if it is not finished already.

    Raises:
        RuntimeError: a run failed; its log is named.
    """
    planned = plan_runs([Experiment(config, "loss", loss)], [noise], seeds, work_dir)
    runs = [_JudgedRun(**vars(run)) for run in planned]
    if failed := launch_runs(runs, train_script):
        raise RuntimeError(f"a run of {loss} failed: see {failed[0].folder / 'output.log'}.")
    return statistics.fmean(collect_run(run.folder, metric).final(metric) for run in runs)
