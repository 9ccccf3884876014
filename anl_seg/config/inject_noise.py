"""Putting mask noise into the training pipeline of a loaded config."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from mmengine.config import Config

from anl_seg._checks import check_integer
from anl_seg.config._walk import (
    CARRIES_CLEAN,
    as_list,
    corruptions,
    is_wrapper,
    loads_seg_map,
    pipelines,
    type_name,
)
from anl_seg.config.labels import label_range, try_noise
from anl_seg.noise import MaskNoise, build_noise


def noisy_pipelines(dataloader: Mapping | None) -> int:
    """How many pipelines of a data loader config corrupt masks, or load corrupted ones."""
    if not dataloader:
        return 0
    return len({id(owner) for owner, _ in corruptions(dataloader["dataset"])})


def noisy_evaluation(cfg: Config) -> list[str]:
    """Names of the validation and test data loaders of a config whose masks are corrupted."""
    names = ("val_dataloader", "test_dataloader")
    return [n for n in names if any(noisy_pipelines(d) for d in as_list(cfg.get(n)))]


def _refuse_second_noise(cfg: Config) -> None:
    for owner, step in corruptions(cfg.train_dataloader["dataset"]):
        noise = step.get("noise")
        what = f" ({noise if isinstance(noise, MaskNoise) else dict(noise)})" if noise else ""
        raise ValueError(
            f"the training pipeline already contains {type_name(step)}{what}, in {type_name(owner)}; the "
            "mask may be corrupted only once. Take a config without noise, or change the noise that is there."
        )


def inject_noise(
    cfg: Config,
    noise: Mapping | MaskNoise,
    *,
    seed: int = 0,
    num_classes: int | None = None,
    ignore_index: int | None = None,
    keep_clean: bool = False,
) -> Config:
    """Put ``anl_seg.CorruptMask`` behind the annotation loader of every training pipeline.

    Nested data sets (``RepeatDataset``, ``MultiImageMixDataset``, ...) and concatenated ones are
    followed. The config is changed in place, and only once everything has been found to be right.

    Args:
        cfg: a loaded mmseg config. Its setting ``noise_key_parts``, if there is one, says how many last
            parts of a mask's path make the key that seeds its noise.
        noise: noise config, for example ``dict(type='SymmetricNoise', rate=0.4)``, or a noise.
        seed: seed of the noise.
        num_classes: C; None = that of the decode head.
        ignore_index: None = that of the decode head, else 255.
        keep_clean: carry the clean mask too: ``PackSegInputs`` and ``Pad`` become this
            package's, and the data preprocessor ``NoisySegDataPreProcessor``.

    Returns:
        ``cfg``.

    Raises:
        ValueError: unknown or wrong noise or seed, no annotation loader in the training pipeline (in that of
            any data set, where there are several), a pipeline that is corrupted already, an unknown number of
            classes, one that a data set or the noise does not have, or an ignored label among the classes.
    """
    model = build_noise(noise)
    seed = check_integer("seed", seed, low=0)
    if not cfg.get("train_dataloader"):
        raise ValueError("the config has no train_dataloader to put noise into.")
    _refuse_second_noise(cfg)
    dataset = cfg.train_dataloader["dataset"]
    num_classes, ignore_index = label_range(cfg, dataset, num_classes, ignore_index)
    if num_classes > 1:  # else CorruptMask refuses the number
        try_noise(model, num_classes, ignore_index)
    corrupt = {
        "type": "anl_seg.CorruptMask",
        "noise": model.config(),
        "num_classes": num_classes,
        "seed": seed,
        "ignore_index": ignore_index,
        "keep_clean": keep_clean,
    }
    if cfg.get("noise_key_parts") is not None:
        corrupt["key_parts"] = check_integer("noise_key_parts", cfg.noise_key_parts, low=1)
    loader = copy.deepcopy(cfg.train_dataloader)
    found, bare = False, []
    # One that is there twice is one.
    for owner in {id(owner): owner for owner in pipelines(loader["dataset"])}.values():
        pipeline, loads = [], False
        for transform in owner["pipeline"]:
            if keep_clean and type_name(transform) in CARRIES_CLEAN:
                transform = {**transform, "type": CARRIES_CLEAN[type_name(transform)]}
            pipeline.append(transform)
            if loads_seg_map(transform):
                if loads:
                    raise ValueError(
                        f"the pipeline of {type_name(owner)} loads annotations twice (the second time by "
                        f"{type_name(transform)}), and the mask may be corrupted only once. Take one away."
                    )
                pipeline.append(copy.deepcopy(corrupt))
                loads = found = True
        if not (loads or is_wrapper(owner)):
            bare.append(type_name(owner))
        owner["pipeline"] = pipeline
    if not found:
        raise ValueError(
            "no transform of the training pipeline loads annotations (LoadAnnotations or a loader of "
            "anl_seg), so there is no place for CorruptMask."
        )
    if bare:
        raise ValueError(
            f"no transform loads annotations in the pipeline of {', '.join(bare)}, which would stay clean "
            "beside the corrupted data sets."
        )
    if keep_clean:
        _keep_clean_in_preprocessor(cfg)
    cfg.train_dataloader = loader
    return cfg


def _keep_clean_in_preprocessor(cfg: Config) -> None:
    owners = [c for c in (cfg, cfg.get("model") or {}) if c.get("data_preprocessor")]
    names = {type_name(owner["data_preprocessor"]) for owner in owners}
    keeping = {"NoisySegDataPreProcessor", "TwoViewSegDataPreProcessor"}
    unknown = names - keeping - {"SegDataPreProcessor"}
    if unknown:
        raise ValueError(
            f"keep_clean=True knows SegDataPreProcessor only; the config has {', '.join(sorted(unknown))}."
        )
    for owner in owners:
        if type_name(owner["data_preprocessor"]) not in keeping:
            owner["data_preprocessor"]["type"] = "anl_seg.NoisySegDataPreProcessor"
