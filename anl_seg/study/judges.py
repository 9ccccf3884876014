"""The validation images that judge the trials of a search: how many, and that none of them is trained on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from anl_seg.config._walk import joined, unwrapped


def _names(leaf: dict) -> list[str | None]:
    """What identifies each image of a data set; None where the set does not say."""
    dataset = DATASETS.build({**leaf, "pipeline": []})
    names: list[str | None] = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index) if hasattr(dataset, "get_data_info") else {}
        path = info.get("img_path") or info.get("sample_key")
        names.append(os.path.realpath(path) if path else None)
    return names


def _narrowed(given: int | Sequence[int] | None, chosen: list[int], size: int) -> list[int]:
    """The ``indices`` that keep ``chosen`` of the ``size`` images that the given ones keep."""
    if given is None or (isinstance(given, int) and given >= 0):
        return chosen
    if isinstance(given, int):  # the last ones
        return [index - size for index in chosen]
    return [given[index] for index in chosen]


def pick_samples(dataset: dict, samples: int) -> dict:
    """A data set config with ``samples`` of the images of another, evenly spaced.

    Wrappers that repeat or balance are left out, and of concatenated sets each gives its part; an
    image that comes several times counts once. ``indices`` of the config are kept: the picked images
    are some of those.

    Raises:
        ValueError: fewer images than asked for.
    """
    leaves, seen, places, sizes = unwrapped(dataset), set(), [], []
    for number, leaf in enumerate(leaves):
        names = _names(leaf)
        sizes.append(len(names))
        for index, name in enumerate(names):
            if name is None or name not in seen:
                places.append((number, index))
            seen.add(name)
    total = len(places)
    if not 1 <= samples <= total:
        raise ValueError(f"samples must lie in [1, {total}], the validation set; got {samples}.")
    picked = [places[i * total // samples] for i in range(samples)]
    parts = []
    for number, leaf in enumerate(leaves):
        chosen = [index for owner, index in picked if owner == number]
        if chosen:
            indices = _narrowed(leaf.get("indices"), chosen, sizes[number])
            parts.append({**leaf, "indices": indices})
    return joined(parts, dataset)


def check_unseen(cfg: Config) -> None:
    """Refuse validation images that are trained on.

    Raises:
        ValueError: there are some; how many, and one of them.
    """
    trained, judging = (
        {name for leaf in unwrapped(cfg[loader]["dataset"]) for name in _names(leaf) if name}
        for loader in ("train_dataloader", "val_dataloader")
    )
    if both := sorted(trained & judging):
        raise ValueError(
            f"{len(both)} of the {len(judging)} validation images that are to judge the trials are "
            f"training images too, such as {both[0]}: give the training or the validation set other "
            "`indices` or another split."
        )


def judged_config(cfg: Config, samples: int | None) -> Config:
    """Let a config validate on some images that it does not train on; changed in place.

    Args:
        cfg: a config with ``train_dataloader`` and ``val_dataloader``.
        samples: number of images; None = all.

    Raises:
        ValueError: see :func:`pick_samples` and :func:`check_unseen`.
    """
    init_default_scope(cfg.get("default_scope") or "mmseg")
    if samples is not None:
        cfg.val_dataloader.dataset = pick_samples(cfg.val_dataloader.dataset, samples)
    check_unseen(cfg)
    return cfg
