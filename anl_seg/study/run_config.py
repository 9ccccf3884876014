"""The complete config of one run of a study, as text that says the same on every machine."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Mapping, Sequence
from pprint import pformat
from typing import Any

from mmengine.config import Config

from anl_seg._suggest import unknown_name
from anl_seg.config import (
    inject_noise,
    measure_memorization,
    noisy_pipelines,
    record_noise,
    record_resources,
    replace_losses,
)
from anl_seg.config._walk import as_list, type_name
from anl_seg.config.hooks import add_hooks, has_hook
from anl_seg.config.options import apply_options, first_missing, known_settings, options_last
from anl_seg.engine.hooks import RandomStateHook, StopOnDivergenceHook
from anl_seg.study.file import plain
from anl_seg.study.schedule import check_length, length_key

#: What budget and seeds decide, whatever the options say.
_SET_BY_THE_STUDY = ("default_hooks", "param_scheduler", "randomness", "train_cfg")
#: Where a run is, and how it goes on: no part of what it computes.
_NOT_CONTENT = ("work_dir", "resume", "load_from", "launcher", "log_level")
#: With fewer, a kill between removing an old checkpoint and writing the next would leave none.
_KEPT_CHECKPOINTS = 2


def _check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """A misspelled option would be a new key that nothing reads."""
    known = known_settings(cfg)
    for name in options:
        parts = name.split(".")
        if parts[0] not in known:
            raise KeyError(unknown_name("setting", parts[0], known))
        at, owner = first_missing(cfg, name)
        if at is not None and at < len(parts) - 1:
            where = ".".join(parts[:at]) or "the config"
            has = owner.keys() if isinstance(owner, Mapping) else []
            raise KeyError(f"{name}: {unknown_name(f'key of {where}', parts[at], has)}")


def merge_settings(cfg: Config, options: Mapping[str, Any]) -> None:
    """Put options into a config whose losses are not yet in their place: all but those of losses.

    Raises:
        KeyError, TypeError, ValueError: a setting that there is not, or that cannot be merged.
    """
    settings = {name: value for name, value in options.items() if ".loss_" not in name}
    _check_options(cfg, settings)
    apply_options(cfg, settings)


def _apply_budget(cfg: Config, budget: Mapping[str, int]) -> None:
    key = length_key(cfg)
    train = cfg.train_cfg
    other = "max_iters" if key == "max_epochs" else "max_epochs"
    if other in budget:
        raise ValueError(
            f"budget has {other}, but the config trains by {key.removeprefix('max_')}: give {key}."
        )
    before = train[key]
    for name, value in budget.items():
        train[name] = value
    check_length(cfg)
    if key in budget:
        for scheduler in as_list(cfg.get("param_scheduler")):
            # One that ended with training does so again.
            if isinstance(scheduler, dict) and scheduler.get("end") == before:
                scheduler["end"] = budget[key]
    total = train[key]
    interval = train["val_interval"] = min(train.get("val_interval", 1), total)
    hooks = cfg.setdefault("default_hooks", {})
    checkpoint = hooks.get("checkpoint") or {}
    # A run goes on from a checkpoint only if the validation at it is complete.
    hooks["checkpoint"] = {
        "type": "CheckpointHook",
        **checkpoint,
        "interval": interval,
        "by_epoch": key == "max_epochs",
        "max_keep_ckpts": _KEPT_CHECKPOINTS,
        "save_last": True,
    }
    logger = hooks.get("logger") or {"type": "LoggerHook"}
    if key == "max_iters":
        logger["interval"] = min(logger.get("interval", 10), interval)
    hooks["logger"] = logger


def _add_evaluators(cfg: Config, evaluators: list[dict], noise: Mapping | None, seed: int) -> None:
    added = copy.deepcopy(evaluators)
    for evaluator in added:
        if type_name(evaluator) == "NoisyIoUMetric" and noise is not None:
            evaluator.setdefault("noise", dict(noise))
            evaluator.setdefault("seed", seed)
            if cfg.get("noise_key_parts") is not None:
                evaluator.setdefault("key_parts", cfg.noise_key_parts)
    there = as_list(cfg.val_evaluator)
    if new := [evaluator for evaluator in added if evaluator not in there]:
        cfg.val_evaluator = [*there, *new]


def run_config(
    base: Config,
    *,
    loss: Mapping | None,
    noise: Mapping | None,
    seed: int,
    options: Mapping[str, Any],
    hooks: Sequence[Mapping] = (),
    budget: Mapping[str, int],
    metrics: Mapping[str, Any],
) -> Config:
    """A copy of ``base`` with everything applied that one point of a grid asks for.

    Options come first, then budget, loss, noise and what measures; what loss and noise would replace of
    the options is set again. The seed is that of training and of
    the noise; a ``NoisyIoUMetric`` that has no noise of its own takes both. Every ``val_interval`` a
    checkpoint is written, and the hooks are added that end a run which diverges and let a resumed one draw
    the same random numbers.

    Args:
        base: a loaded config with clean masks (unless no noise is applied and it brings its own).
        loss: loss config, or None for the base's own losses.
        noise: noise config, or None for the masks as they are.
        seed: an integer >= 0.
        options: settings by dotted names.
        hooks: configs added to those of the base.
        budget: ``max_iters`` or ``max_epochs``, ``val_interval``.
        metrics: see :class:`anl_seg.study.file.Study`.

    Raises:
        KeyError, TypeError, ValueError: an unknown loss, noise or option, or a wrong value of one.
    """
    cfg = copy.deepcopy(base)
    merge_settings(cfg, options)
    _apply_budget(cfg, budget)
    last = {n: v for n, v in options.items() if n.partition(".")[0] not in _SET_BY_THE_STUDY}
    with options_last(cfg, last):
        if loss is not None:
            replace_losses(cfg, loss)
        if noise is not None:
            inject_noise(cfg, noise, seed=seed, keep_clean=True)
    if noise is not None:
        measure_memorization(cfg, interval=metrics.get("memorization_interval"))
    record_noise(cfg)
    record_resources(cfg)
    _add_evaluators(cfg, metrics.get("evaluators", []), noise, seed)
    for hook in copy.deepcopy([*hooks, *metrics.get("hooks", [])]):
        add_hooks(cfg, hook)
    for kind in (StopOnDivergenceHook, RandomStateHook):
        if not has_hook(cfg, kind):
            add_hooks(cfg, {"type": f"anl_seg.{kind.__name__}"})
    cfg.randomness = {**(cfg.get("randomness") or {}), "seed": seed}
    return cfg


def is_noisy(base: Config) -> bool:
    """Whether a config corrupts its training masks by itself."""
    return noisy_pipelines(base.get("train_dataloader")) > 0


def config_text(cfg: Config) -> str:
    """The config as Python source that evaluates to the same values, without paths of this machine.

    (mmengine's own ``dump`` formats with yapf, which takes a second per config.)

    Raises:
        ValueError: a value that cannot be written as a Python literal.
    """
    content = plain(cfg.to_dict())
    lines = []
    for name, value in content.items():
        if name in _NOT_CONTENT:
            continue
        text = pformat(value, width=100, sort_dicts=False)
        try:
            same = ast.literal_eval(text) == value
        except (ValueError, SyntaxError):
            same = False
        if not same:
            raise ValueError(f"the setting {name} cannot be written to a file: {value!r}.")
        lines.append(f"{name} = {text}\n")
    return "".join(lines)


def _assignment(node: ast.stmt) -> tuple[str, Any]:
    """Name and value of ``name = literal``.

    Raises:
        ValueError: the statement is of another form.
    """
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Name):
            return target.id, ast.literal_eval(node.value)
    raise ValueError(f"line {node.lineno} is no setting")


def config_values(text: str) -> dict[str, Any]:
    """The settings in the text of a config, read as literals: nothing of it is run.

    Raises:
        ValueError: it is not of the form of :func:`config_text`.
    """
    try:
        return dict(map(_assignment, ast.parse(text).body))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"not a list of settings with literal values ({type(error).__name__}: {error})."
        ) from error


def config_digest(text: str) -> str:
    """Digest of a config's text, whatever the order of its keys: 16 hexadecimal digits."""
    canonical = pformat(config_values(text), width=100, sort_dicts=True)
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()
