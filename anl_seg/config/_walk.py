"""Walking through the parts of an mmseg config."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from mmengine.registry import Registry
from mmseg.registry import TRANSFORMS

#: Transforms that know ``gt_seg_map`` alone, and their twins that take the clean map along.
CARRIES_CLEAN = {"PackSegInputs": "anl_seg.PackNoisySegInputs", "Pad": "anl_seg.Pad"}


def type_name(cfg: Mapping) -> str:
    """Name of a config's ``type``, which may be a string with a scope, or a class."""
    kind = cfg.get("type", "")
    name = kind if isinstance(kind, str) else kind.__name__
    return name.rpartition(".")[2]


def as_list(value: object) -> list:
    """None -> [], a list or tuple -> list, anything else -> a list of it."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def is_wrapper(dataset: Mapping) -> bool:
    """Whether a data set config repeats, balances, mixes or concatenates others."""
    return "dataset" in dataset or "datasets" in dataset


def entries(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(place, entry) of what may be one thing, a list of them or None, as ``--cfg-options`` name it."""
    many = isinstance(value, (list, tuple))
    for i, entry in enumerate(as_list(value)):
        yield (f"{place}.{i}" if many else place), entry


def _inside(dataset: Mapping) -> list:
    """The data set configs directly in that of a wrapper."""
    return as_list(dataset.get("dataset")) + as_list(dataset.get("datasets"))


def unwrapped(dataset: dict) -> list[dict]:
    """Copies of the innermost data set configs, in their order, each with all that its samples go through.

    The ``pipeline`` of each is its own and, behind it, those of the wrappers around it, but for
    transforms that mix several samples. A :func:`joined` list of them gives each sample once, however
    often a wrapper repeats it.
    """
    if not is_wrapper(dataset):
        return [copy.deepcopy(dataset)]
    found = [leaf for inner in _inside(dataset) for leaf in unwrapped(inner)]
    outer = [step for step in dataset.get("pipeline") or [] if not _mixes(step)]
    for leaf in found if outer else ():
        leaf["pipeline"] = [*(leaf.get("pipeline") or []), *copy.deepcopy(outer)]
    return found


def joined(datasets: list[dict], like: Mapping) -> dict:
    """One data set config of several; those listed twice count once.

    Args:
        datasets: at least one.
        like: the config that they were taken out of, for what its concatenations allow.
    """
    once = [one for i, one in enumerate(datasets) if one not in datasets[:i]]
    if len(once) == 1:
        return once[0]
    ignored = {"ignore_keys": keys} if (keys := _ignore_keys(like)) else {}
    return dict(type="ConcatDataset", datasets=once, **ignored)


def _ignore_keys(dataset: Mapping) -> list[str]:
    """What the concatenations in a data set config do not compare."""
    found = as_list(dataset.get("ignore_keys"))
    for inner in _inside(dataset):
        found += [key for key in _ignore_keys(inner) if key not in found]
    return found


def _mixes(transform: Mapping) -> bool:
    """Whether a transform makes one sample of several (mosaics, mixtures)."""
    return hasattr(resolved(transform, TRANSFORMS), "get_indices")


def located(dataset: Mapping, place: str) -> Iterator[tuple[str, Mapping]]:
    """(place, config) of a data set and those in it, outermost first."""
    yield place, dataset
    for key in ("dataset", "datasets") if isinstance(dataset, Mapping) else ():
        for where, one in entries(f"{place}.{key}", dataset.get(key)):
            yield from located(one, where)


def pipelines(dataset: Mapping) -> Iterator[Any]:
    """The data set configs with a ``pipeline``, through wrappers and concatenations, outermost first."""
    return (one for _, one in located(dataset, "") if one.get("pipeline"))


def loaders(cfg: Config, *splits: str) -> Iterator[tuple[str, Any]]:
    """(place, config) of the data loaders of ``train``, ``val`` and ``test``."""
    for split in splits:
        for loader in as_list(cfg.get(f"{split}_dataloader")):
            yield f"{split}_dataloader", loader


def datasets(cfg: Config, *splits: str) -> Iterator[tuple[str, Mapping]]:
    """(place, config) of the data sets of ``train``, ``val`` and ``test``, outermost first."""
    for place, loader in loaders(cfg, *splits):
        yield from located(loader["dataset"], f"{place}.dataset")


def metrics(cfg: Config, name: str) -> Iterator[Mapping]:
    """The metric configs of an evaluator, such as ``val_evaluator``."""
    for evaluator in as_list(cfg.get(name)):
        yield from as_list(evaluator["metrics"]) if "metrics" in evaluator else [evaluator]


def resolved(cfg: Mapping, registry: Registry) -> type | None:
    """The class that a config's ``type`` names or is; None where nobody has such a class."""
    kind = cfg.get("type")
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except (ImportError, KeyError):  # a package that is not installed, or no such name in it
            return None
    return kind if isinstance(kind, type) else None


def loads_seg_map(transform: Mapping) -> bool:
    """Whether a transform config loads the label map of a sample."""
    cls = resolved(transform, TRANSFORMS)
    return cls is not None and (
        issubclass(cls, LoadAnnotations) or getattr(cls, "loads_seg_map", False)
    )


def steps_of(pipeline: object) -> Iterator[Mapping]:
    """The transform configs of a pipeline, those inside others (``RandomApply``, ...) behind these."""
    for step in as_list(pipeline):
        if isinstance(step, Mapping):
            yield step
            yield from steps_of(step.get("transforms"))
        elif isinstance(step, (list, tuple)):  # one of the pipelines of RandomChoice
            yield from steps_of(step)


def corruptions(dataset: Mapping) -> Iterator[tuple[Any, Mapping]]:
    """(data set config, transform config) of all that corrupts masks in the pipelines of a data set."""
    for owner in pipelines(dataset):
        for step in steps_of(owner["pipeline"]):
            if getattr(resolved(step, TRANSFORMS), "corrupts_mask", False):
                yield owner, step


def heads(model: Mapping) -> Iterator[tuple[str, Any]]:
    """(name, config) of the decode and auxiliary heads of a segmentor."""
    for key in ("decode_head", "auxiliary_head"):
        yield from entries(key, model.get(key))
