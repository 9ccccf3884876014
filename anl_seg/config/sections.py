"""The shape of a config: which of its sections are dicts, and which are lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from anl_seg.config._walk import as_list, located

Section = tuple[str, Any]


def _entries(place: str, value: Any) -> Iterator[Section]:
    """(place, value) of a section that may be one thing, a list of them or None."""
    many = isinstance(value, (list, tuple))
    for i, entry in enumerate(as_list(value)):
        yield (f"{place}.{i}" if many else place), entry


def _heads(model: Mapping) -> Iterator[Section]:
    for key in ("decode_head", "auxiliary_head"):
        yield from _entries(f"model.{key}", model.get(key))


def check_sections(cfg: Config) -> None:
    """Refuse a config in which something else stands where a dict must, so far as others look into it.

    Looked at are the model, its heads and their losses, the data loaders with their data sets and
    pipelines, and the list of hooks.

    Raises:
        ValueError: the place is named, and what stands there.
    """
    for place, value in _sections(cfg):
        if not isinstance(value, Mapping):
            raise ValueError(f"{place} must be a dict; got {value!r:.60}.")
    for split in ("train", "val", "test"):
        for loader in as_list(cfg.get(f"{split}_dataloader")):
            _check_loader(f"{split}_dataloader", loader)
    hooks = cfg.get("custom_hooks")
    if not isinstance(hooks, (list, tuple, type(None))):
        raise ValueError(f"custom_hooks must be a list of dicts; got {hooks!r:.60}.")


def _sections(cfg: Config) -> Iterator[Section]:
    """What must be a dict where it is there, one outside the other."""
    for name in ("model", "default_hooks", "optim_wrapper", "train_cfg", "val_cfg", "test_cfg"):
        if cfg.get(name) is not None:
            yield name, cfg[name]
    for place, head in _heads(cfg.get("model") or {}):
        yield place, head
        for key in ("loss_decode", "kernel_generate_head"):
            yield from _entries(f"{place}.{key}", head.get(key))


def _check_loader(place: str, loader: Any) -> None:
    if not isinstance(loader, Mapping) or not isinstance(loader.get("dataset"), Mapping):
        raise ValueError(f"{place} must be a dict with dataset=dict(...); got {loader!r:.60}.")
    for where, dataset in located(loader["dataset"], f"{place}.dataset"):
        if not isinstance(dataset, Mapping):
            raise ValueError(f"{where} must be a dict; got {dataset!r:.60}.")
        pipeline = dataset.get("pipeline")
        if not isinstance(pipeline, (list, tuple, type(None))):
            raise ValueError(f"{where}.pipeline must be a list; got {pipeline!r:.60}.")
        for i, step in enumerate(pipeline or ()):
            if not isinstance(step, Mapping):
                raise ValueError(f"{where}.pipeline.{i} must be a dict; got {step!r:.60}.")
