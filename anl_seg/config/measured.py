"""The data loader for measuring a trained model on the images it was trained with, or on others."""

from __future__ import annotations

import copy

from mmengine.config import Config

from anl_seg.config._walk import CARRIES_CLEAN, joined, loads_seg_map, type_name, unwrapped


def measured_dataloader(cfg: Config, data: str, method: str) -> dict:
    """The data loader over the images to predict: each image once, with the test-time pipeline.

    If the training masks are corrupted by ``CorruptMask``, so are these, and the clean ones kept.
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
    # Outside wrappers that repeat, balance or mix.
    loader["dataset"] = joined(leaves, loader["dataset"])
    loader["sampler"] = dict(type="DefaultSampler", shuffle=False)
    # Images may differ in size, and mmseg stacks only equal ones when it predicts.
    loader["batch_size"] = 1
    loader.pop("batch_sampler", None)
    loader.pop("drop_last", None)
    return loader


def _leaves(loader: dict) -> list[dict]:
    """The innermost data set configs of a data loader that have a pipeline."""
    found = unwrapped(loader["dataset"]) if loader else ()
    return [leaf for leaf in found if leaf.get("pipeline")]


def _test_pipelines(cfg: Config, leaves: list[dict]) -> list[list[dict]]:
    """For each training data set the pipeline at test time: the config's, else without chance."""
    loaders = [cfg.get(name) for name in ("test_dataloader", "val_dataloader")]
    known = [
        [t for t in _leaves(loader)[0]["pipeline"] if type_name(t) != "CorruptMask"]
        for loader in loaders
        if loader and not isinstance(loader, (list, tuple))
    ]
    # That of a challenge's test set may load no annotations.
    known.sort(key=lambda pipeline: not any(loads_seg_map(t) for t in pipeline))
    if known:
        return [copy.deepcopy(known[0]) for _ in leaves]
    chance = ("Random", "PhotoMetricDistortion", "CorruptMask")
    found = []
    for leaf in leaves:
        kept = [t for t in leaf["pipeline"] if not type_name(t).startswith(chance)]
        pack = next((i for i, t in enumerate(kept) if type_name(t).startswith("Pack")), len(kept))
        found.append([*kept[:pack], dict(type="anl_seg.ResizedAsOriginal"), *kept[pack:]])
    return found


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
