"""Small changes of a loaded config: mixed precision, cached samples, hooks that record."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, ApexOptimWrapper
from mmseg.registry import OPTIM_WRAPPERS, TRANSFORMS

from anl_seg.config._walk import corruptions, is_wrapper, pipelines, resolved, type_name
from anl_seg.config.hooks import add_hooks, has_hook

_AMP_OF = {
    "OptimWrapper": "AmpOptimWrapper",
    "L1OptimWrapper": "anl_seg.L1AmpOptimWrapper",
}


def enable_amp(cfg: Config) -> Config:
    """Exchange the optimizer wrapper for its mixed-precision twin, with dynamic loss scaling.

    The config is changed in place; one that trains in mixed precision already stays as it is.

    Raises:
        ValueError: no wrapper, or one without a known twin.
    """
    wrapper = cfg.get("optim_wrapper")
    if wrapper is None:
        raise ValueError("the config has no optim_wrapper to train in mixed precision with.")
    kind = resolved(wrapper, OPTIM_WRAPPERS)
    if kind is not None and issubclass(kind, (AmpOptimWrapper, ApexOptimWrapper)):
        return cfg
    name = type_name(wrapper) or "OptimWrapper"  # mmengine's default
    if name not in _AMP_OF:
        raise ValueError(f"no mixed precision for {name}; known: {', '.join(_AMP_OF)}.")
    wrapper["type"] = _AMP_OF[name]
    wrapper.setdefault("loss_scale", "dynamic")
    return cfg


#: Transforms that make the same of the same sample every time.
_DETERMINISTIC = (
    "CorruptMask",
    "LoadAnnotations",
    "LoadAnnotationsByValue",
    "LoadCorruptedAnnotations",
    "LoadISIC2017Annotations",
    "LoadImageFromFile",
    "LoadJSRTAnnotations",
    "LoadSyntheticShapes",
    "PackNoisySegInputs",
    "PackSegInputs",
    "Pad",
    "Resize",
    "ResizedAsOriginal",
)


def cache_samples(cfg: Config) -> Config:
    """Run the training pipeline up to its first random transform once per sample, not once per epoch.

    Training sees the same samples as before: a sample's noise never changes, and only the innermost
    data sets are cached, not what wrappers draw and mix. Each worker keeps the samples that it has
    loaded in memory, up to the limit of ``anl_seg.CachedTransforms``, so this is for small data sets,
    where decoding and structured noise cost as much as the network. The config is changed in place;
    call this last, as what looks for transforms in a config does not look into
    ``anl_seg.CachedTransforms``.

    Args:
        cfg: a loaded mmseg config.

    Returns:
        ``cfg``.

    Raises:
        ValueError: no training data, workers that end with each epoch, or nothing to cache.
    """
    if not cfg.get("train_dataloader"):
        raise ValueError("the config has no train_dataloader whose samples could be cached.")
    loader = copy.deepcopy(cfg.train_dataloader)
    if loader.get("num_workers") and not loader.get("persistent_workers"):
        raise ValueError(
            "cache_samples needs persistent_workers=True in the train_dataloader, as workers take what "
            "they keep with them; or num_workers=0."
        )
    found = False
    for owner in pipelines(loader["dataset"]):
        if is_wrapper(owner):
            continue
        steps = list(owner["pipeline"])
        if type_name(steps[0]) == "CachedTransforms":
            found = True  # cached already
            continue
        random = [i for i, step in enumerate(steps) if not _is_deterministic(step)]
        count = random[0] if random else len(steps)
        if count:
            cached = {"type": "anl_seg.CachedTransforms", "transforms": steps[:count]}
            owner["pipeline"] = [cached, *steps[count:]]
            found = True
    if not found:
        raise ValueError(
            "cache_samples found no deterministic transform at the start of a training pipeline; it knows "
            f"{', '.join(_DETERMINISTIC)}."
        )
    cfg.train_dataloader = loader
    return cfg


def _is_deterministic(step: Mapping) -> bool:
    """Whether a transform makes the same of the same sample, and is not another one of that name."""
    package = getattr(resolved(step, TRANSFORMS), "__module__", "").partition(".")[0]
    return type_name(step) in _DETERMINISTIC and package in ("anl_seg", "mmcv", "mmseg")


def record_resources(cfg: Config) -> Config:
    """Add ``anl_seg.ResourceHook`` if it is not there yet.

    The config is changed in place and returned.
    """
    return _with_hook(cfg, "ResourceHook")


def record_noise(cfg: Config) -> Config:
    """Add ``anl_seg.NoiseStatisticsHook`` if the training masks are corrupted and it is not there yet.

    The config is changed in place and returned.
    """
    loader = cfg.get("train_dataloader")
    found = corruptions(loader["dataset"]) if loader else ()
    noisy = any(type_name(step) != "LoadCorruptedAnnotations" for _, step in found)
    return _with_hook(cfg, "NoiseStatisticsHook") if noisy else cfg


def _with_hook(cfg: Config, name: str) -> Config:
    if not has_hook(cfg, name):
        add_hooks(cfg, {"type": f"anl_seg.{name}"})
    return cfg
