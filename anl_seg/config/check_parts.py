"""Types and parameters of what a config names, checked before any of it is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.registry import LOOPS, Registry
from mmseg.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    TRANSFORMS,
)

from anl_seg._signature import parameters_of
from anl_seg._suggest import did_you_mean, wrong_parameters
from anl_seg.config._walk import as_list, heads, loaders, located, metrics, resolved, type_name
from anl_seg.config.hooks import hooks_of, is_hook
from anl_seg.config.loss_config import MASK_HEADS

#: (place, config, registry).
Part = tuple[str, Mapping, Registry]
#: Keys of a config that whoever builds it takes out before.
_TAKEN_OUT = {
    HOOKS: ("priority",),
    LOOPS: ("by_epoch",),
    OPTIM_WRAPPERS: ("constructor", "optimizer", "paramwise_cfg"),
}
#: Parameters that no config gives.
_GIVEN = ("dataloader", "model", "params", "runner")
#: Packages whose transforms take other transforms of the same registry.
_OURS = ("anl_seg", "mmcv", "mmseg")


def _model_parts(model: Mapping) -> Iterator[Part]:
    yield "model", model, MODELS
    for key in ("data_preprocessor", "backbone", "neck"):
        if isinstance(model.get(key), Mapping):
            yield f"model.{key}", model[key], MODELS
    for name, head in heads(model):
        yield f"model.{name}", head, MODELS
        for loss in as_list(head.get("loss_decode")):
            yield f"loss_decode of model.{name}", loss, MODELS


def _steps(place: str, pipeline: Any) -> Iterator[Part]:
    """The transforms of a pipeline, and those in mmcv's, mmseg's and this package's that hold others."""
    for i, step in enumerate(as_list(pipeline)):
        if isinstance(step, (list, tuple)):  # one of the pipelines of RandomChoice
            yield from _steps(f"{place}.{i}", step)
        elif isinstance(step, Mapping):
            yield f"{place}.{i}", step, TRANSFORMS
            package = getattr(resolved(step, TRANSFORMS), "__module__", "").partition(".")[0]
            if package in _OURS and type_name(step) != "Albu":  # that one's are of another library
                yield from _steps(f"{place}.{i}.transforms", step.get("transforms"))


def _loader_parts(place: str, loader: Mapping) -> Iterator[Part]:
    for where, dataset in located(loader["dataset"], f"{place}.dataset"):
        yield where, dataset, DATASETS
        yield from _steps(f"{where}.pipeline", dataset.get("pipeline"))
    for key in ("sampler", "batch_sampler"):
        if isinstance(loader.get(key), Mapping):
            yield f"{place}.{key}", loader[key], DATA_SAMPLERS


def _loop(place: str, loop: Mapping) -> Part:
    if "type" not in loop:
        kind = {"val": "ValLoop", "test": "TestLoop"}.get(place.partition("_")[0])
        kind = kind or ("EpochBased" if loop.get("by_epoch", True) else "IterBased") + "TrainLoop"
        loop = {**loop, "type": kind}
    return place, loop, LOOPS


def _average(hook: Mapping) -> Mapping:
    """What an ``EMAHook`` hands on to the average that it builds."""
    own = (*inspect.signature(EMAHook).parameters, *_TAKEN_OUT[HOOKS], "type")
    handed_on = {name: value for name, value in hook.items() if name not in own}
    return {"type": hook.get("ema_type", "ExponentialMovingAverage"), **handed_on}


def _parts(cfg: Config, splits: tuple[str, ...]) -> Iterator[Part]:
    if cfg.get("model"):
        yield from _model_parts(cfg.model)
    for place, loader in loaders(cfg, *splits):
        yield from _loader_parts(place, loader)
    for split in splits:
        for metric in metrics(cfg, f"{split}_evaluator"):
            yield f"{split}_evaluator", metric, METRICS
        if cfg.get(f"{split}_cfg"):
            yield _loop(f"{split}_cfg", cfg[f"{split}_cfg"])
    wrapper = cfg.get("optim_wrapper") or {}
    if "train" in splits and "constructor" not in wrapper:
        yield "optim_wrapper", {"type": "OptimWrapper", **wrapper}, OPTIM_WRAPPERS
        if isinstance(wrapper.get("optimizer"), Mapping):
            yield "optim_wrapper.optimizer", wrapper["optimizer"], OPTIMIZERS
    for place, hook in hooks_of(cfg):
        if isinstance(hook, Mapping):
            yield place, hook, HOOKS
            if is_hook(hook, EMAHook):
                yield place, _average(hook), MODELS


def _check(place: str, part: Mapping, registry: Registry) -> None:
    """Refuse a part whose class there is not, or that has parameters that its class does not know.

    Raises:
        KeyError, TypeError, ValueError: place and value are named.
    """
    if "type" not in part:
        raise ValueError(f"{place} has no type; got {dict(part)!r:.100}.")
    kind = part["type"]
    if not isinstance(kind, str):
        cls = kind
    elif (cls := resolved(part, registry)) is None:
        registry.import_from_location()
        hint = did_you_mean([kind.rpartition(".")[2]], registry.module_dict)
        raise KeyError(
            f"{place}: unknown type {kind!r}.{hint} One of your own has to be imported by custom_imports."
        )
    if not isinstance(cls, type):
        return
    if cls.__name__ in MASK_HEADS and find_spec("mmdet") is None:
        raise ValueError(f"{place}: {cls.__name__} needs mmdet, which is not installed.")
    known, complete = parameters_of(cls)
    allowed = [*known, *(name for name in _TAKEN_OUT.get(registry, ()) if name not in known)]
    unknown = [name for name in part if name not in (*allowed, "type", "_scope_")]
    if complete and unknown:
        allowed = [name for name in allowed if name not in _GIVEN]
        raise TypeError(f"{place}: {wrong_parameters(cls.__name__, unknown, [], allowed)}")


def check_parts(cfg: Config, *splits: str) -> None:
    """Refuse classes that there are not, and parameters that a class does not know, wherever it is sure.

    Looked at are model, backbone, neck, heads and losses, data sets, transforms and samplers, metrics,
    loops, optimizer and hooks. Classes that hand on any parameters to who knows whom are left alone.

    Args:
        cfg: a complete config.
        splits: of ``train``, ``val`` and ``test``.

    Raises:
        KeyError, TypeError, ValueError: the place, and the closest names.
    """
    for place, part, registry in _parts(cfg, splits):
        _check(place, part, registry)
