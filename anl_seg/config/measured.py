"""Data loaders for measuring a model on images of a config: each once, in their order, without chance."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from anl_seg.config._walk import CARRIES_CLEAN, joined, loads_seg_map, type_name, unwrapped
from anl_seg.config.hooks import add_hooks

#: Random augmentations: left out.
_RANDOM = ("Random", "PhotoMetricDistortion")


def _without_chance(pipeline: list, *others: str) -> list:
    """A training pipeline for measuring: without augmentations, scored at the size the network works at.

    Args:
        pipeline: transform configs.
        others: what else is left out, by the start of its name.
    """
    kept = [t for t in pipeline if not type_name(t).startswith((*_RANDOM, *others))]
    pack = next((i for i, t in enumerate(kept) if type_name(t).startswith("Pack")), len(kept))
    return [*kept[:pack], {"type": "anl_seg.ResizedAsOriginal"}, *kept[pack:]]


def _over(leaves: list[dict], loader: Any) -> dict:
    """A data loader config like another over these data sets: each image once, one at a time."""
    loader["dataset"] = joined(leaves, loader["dataset"])
    loader["sampler"] = {"type": "DefaultSampler", "shuffle": False}
    # Images may differ in size, and mmseg stacks only equal ones when it predicts.
    loader["batch_size"] = 1
    loader.pop("batch_sampler", None)
    loader.pop("drop_last", None)
    return loader


def measure_memorization(cfg: Config, *, interval: int | None = None) -> Config:
    """Add ``anl_seg.MemorizationHook`` over the config's own noisy training set.

    The hook's data loader is the training one without random augmentation and shuffling, outside
    wrappers that repeat, balance or mix: each image once, one at a time, scored at the size that the
    network works at. The config is changed in place.

    Args:
        cfg: a config whose training pipeline corrupts with ``keep_clean=True``.
        interval: validations between two measurements; None = only after training.

    Returns:
        ``cfg``.

    Raises:
        ValueError: no training data, a training pipeline that keeps no clean masks, or a config that has
            such a hook with other settings.
    """
    if not cfg.get("train_dataloader"):
        raise ValueError("the config has no train_dataloader to measure memorization on.")
    loader = copy.deepcopy(cfg.train_dataloader)
    leaves = unwrapped(loader["dataset"])
    for leaf in leaves:
        leaf["pipeline"] = _without_chance(leaf.get("pipeline") or [])
    steps = [type_name(t) for leaf in leaves for t in leaf["pipeline"]]
    if "CorruptMask" not in steps or "PackNoisySegInputs" not in steps:
        raise ValueError(
            "memorization is measured against the clean masks: corrupt the training masks with "
            "keep_clean=True first (inject_noise(cfg, noise, keep_clean=True))."
        )
    loader = _over(leaves, loader)
    add_hooks(cfg, {"type": "anl_seg.MemorizationHook", "dataloader": loader, "interval": interval})
    return cfg


def measured_dataloader(cfg: Config, data: str, method: str) -> dict:
    """The data loader over the images to predict: each image once, with the test-time pipeline.

    If the training masks are corrupted by ``CorruptMask``, so are these, and the clean ones kept.

    Args:
        cfg: a loaded config.
        data: ``train``, ``val`` or ``test``.
        method: of :class:`anl_seg.evaluation.EstimateTransitionMatrix`.

    Raises:
        ValueError: no such data loader, or several; or no noisy labels that the method could count.
    """
    source = cfg.get(f"{data}_dataloader")
    if not source or isinstance(source, (list, tuple)):
        raise ValueError(f"the config has no {data}_dataloader, or several of them.")
    loader = copy.deepcopy(source)
    leaves = _leaves(loader)
    if data == "train":
        for leaf, pipeline in zip(leaves, _test_pipelines(cfg, leaves)):
            leaf["pipeline"] = pipeline
    noises = [leaf["pipeline"] for leaf in _leaves(cfg.get("train_dataloader") or {})]
    noises = [[t for t in steps if type_name(t) == "CorruptMask"] for steps in noises]
    if data != "train":
        noises = [next((n for n in noises if n), [])] * len(leaves)
    for leaf, noise in zip(leaves, noises):
        _corrupt(leaf, noise)
        if method != "anchor" and not any(loads_seg_map(t) for t in leaf["pipeline"]):
            raise ValueError(
                f"the pipeline of {data} loads no annotations, so there are no noisy labels to count: "
                "give --method anchor, which looks at the predictions only."
            )
    return _over(leaves, loader)


def only_test(cfg: Config, loader: Mapping, evaluator: Mapping) -> None:
    """Leave a config nothing to do but a test: neither the training nor the validation set is built.

    Args:
        cfg: a loaded config; changed in place.
        loader: data loader config of the test.
        evaluator: its metrics.
    """
    cfg.test_dataloader, cfg.test_cfg = loader, dict(type="TestLoop")
    cfg.test_evaluator = evaluator
    for key in ("train_dataloader", "train_cfg", "val_dataloader", "val_cfg", "val_evaluator"):
        cfg[key] = None
    cfg.optim_wrapper = cfg.param_scheduler = None


def _leaves(loader: Mapping) -> list[dict]:
    """The innermost data set configs of a data loader that have a pipeline."""
    found = unwrapped(loader["dataset"]) if loader else []
    return [leaf for leaf in found if leaf.get("pipeline")]


def _test_pipelines(cfg: Config, leaves: list[dict]) -> list[list]:
    """For each training data set the pipeline at test time: the config's, else without chance."""
    test_loaders = [cfg.get(name) for name in ("test_dataloader", "val_dataloader")]
    known = [
        [t for t in _leaves(loader)[0]["pipeline"] if type_name(t) != "CorruptMask"]
        for loader in test_loaders
        if loader and not isinstance(loader, (list, tuple))
    ]
    # That of a challenge's test set may load no annotations.
    known.sort(key=lambda pipeline: not any(loads_seg_map(t) for t in pipeline))
    if known:
        return [copy.deepcopy(known[0]) for _ in leaves]
    return [_without_chance(leaf["pipeline"], "CorruptMask") for leaf in leaves]


def _corrupt(leaf: dict, noise: list[dict]) -> None:
    """Put ``noise`` behind the annotation loader, and what takes the clean mask along in its place."""
    names = [type_name(t) for t in leaf["pipeline"]]
    if not noise and "CorruptMask" not in names:
        return
    steps = []
    for transform in leaf["pipeline"]:
        name = type_name(transform)
        if name in CARRIES_CLEAN:
            transform = {**transform, "type": CARRIES_CLEAN[name]}
        elif name == "CorruptMask":
            transform = {**transform, "keep_clean": True}
        steps.append(transform)
        if loads_seg_map(transform) and "CorruptMask" not in names:
            steps.append({**noise[0], "keep_clean": True})
    leaf["pipeline"] = steps
