"""Measuring memorisation in any loaded config."""

from __future__ import annotations

import copy

from mmengine.config import Config

from anl_seg.config._walk import joined, type_name, unwrapped
from anl_seg.config.hooks import add_hooks

#: Random augmentations: left out when the training set is measured.
_RANDOM = ("Random", "PhotoMetricDistortion")


def measure_memorization(cfg: Config, *, interval: int | None = None) -> Config:
    """Add ``anl_seg.MemorizationHook`` over the config's own noisy training set.

    The hook's data loader is the training one without random augmentation and shuffling, outside
    wrappers that repeat, balance or mix: each image once, one at a time, scored at the size that the
    network works at. The config is changed in place.

    Args:
        cfg: a config whose training pipeline corrupts with ``keep_clean=True``.
        interval: measure at every so many validations too; None = only after training.

    Returns:
        ``cfg``.

    Raises:
        ValueError: no training data, a training pipeline that keeps no clean masks, or a config that has
            such a hook with other settings.
    """
    if not cfg.get("train_dataloader"):
        raise ValueError("the config has no train_dataloader to measure memorisation on.")
    loader = copy.deepcopy(cfg.train_dataloader)
    leaves = unwrapped(loader["dataset"])
    for leaf in leaves:
        kept = [t for t in leaf.get("pipeline") or [] if not type_name(t).startswith(_RANDOM)]
        names = [type_name(t) for t in kept]
        if "PackNoisySegInputs" in names:
            kept.insert(names.index("PackNoisySegInputs"), {"type": "anl_seg.ResizedAsOriginal"})
        leaf["pipeline"] = kept
    steps = [type_name(t) for leaf in leaves for t in leaf["pipeline"]]
    if "CorruptMask" not in steps or "PackNoisySegInputs" not in steps:
        raise ValueError(
            "memorisation is measured against the clean masks: corrupt the training masks with "
            "keep_clean=True first (inject_noise(cfg, noise, keep_clean=True))."
        )
    loader["dataset"] = joined(leaves, loader["dataset"])
    loader["sampler"] = {"type": "DefaultSampler", "shuffle": False}
    # Without the random crop images differ in size, and mmseg stacks only equal ones when it predicts.
    loader["batch_size"] = 1
    loader.pop("batch_sampler", None)
    loader.pop("drop_last", None)
    add_hooks(cfg, {"type": "anl_seg.MemorizationHook", "dataloader": loader, "interval": interval})
    return cfg
