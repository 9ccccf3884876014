"""The data of a config, checked before anything is built: loaders, folders, and what these hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import list_dir_or_file
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS, TRANSFORMS

from anl_seg._checks import check_integer
from anl_seg.config._walk import datasets, is_wrapper, loaders, resolved, steps_of, type_name

#: Methods that say which samples a data set has.
_LISTING = ("load_data_list", "filter_data", "full_init")


def check_loaders(cfg: Config, *splits: str) -> None:
    """Refuse batches and workers that no data loader can have.

    Raises:
        ValueError: setting and value are named.
    """
    for place, loader in loaders(cfg, *splits):
        if loader.get("batch_size") is not None:
            check_integer(f"{place}.batch_size", loader["batch_size"], low=1)
        workers = check_integer(f"{place}.num_workers", loader.get("num_workers", 0), low=0)
        if loader.get("persistent_workers") and not workers:
            raise ValueError(
                f"{place} has num_workers=0 and persistent_workers=True, which torch refuses: set "
                f"{place}.persistent_workers=False too."
            )
        if loader.get("sampler") is None:
            raise ValueError(
                f"{place} has no sampler; give one, such as dict(type='DefaultSampler', shuffle=False)."
            )


def _paths(dataset: Mapping, with_masks: bool) -> Iterator[tuple[str, str]]:
    """(setting, path) of what a data set reads, as mmengine joins them to its root."""
    root = dataset.get("data_root")
    if isinstance(root, (str, os.PathLike)):
        yield "data_root", os.fspath(root)
    settings = {f"data_prefix.{k}": v for k, v in (dataset.get("data_prefix") or {}).items()}
    for name, path in {**settings, "ann_file": dataset.get("ann_file")}.items():
        if isinstance(path, str) and path and (with_masks or "seg_map" not in name):
            yield name, os.path.join(root or "", path)


def _is_local(dataset: Mapping) -> bool:
    return (dataset.get("backend_args") or {}).get("backend", "local") == "local"


def check_data(cfg: Config, *splits: str) -> None:
    """Refuse data sets whose folders are not there; those on other servers are not looked at.

    Args:
        cfg: a loaded config.
        splits: of ``train``, ``val`` and ``test``.

    Raises:
        FileNotFoundError: the missing path, and the setting that names it.
    """
    for place, dataset in datasets(cfg, *splits):
        for name, path in _paths(dataset, with_masks=not place.startswith("test_")):
            if _is_local(dataset) and "://" not in path and not os.path.exists(path):
                raise FileNotFoundError(
                    f"there is no {path!r}, which {place}.{name} ({type_name(dataset)}) names. Put the "
                    f"data there, or name another place: --cfg-options {place}.{name}=..."
                )


def check_samples(cfg: Config, *splits: str) -> None:
    """Refuse data sets of mmseg's kind (images and masks of one name) that have no image, or no mask for it.

    Looked at are those on this machine that list their files as ``BaseSegDataset`` does, and of their
    samples the first one that is found.

    Args:
        cfg: a loaded config whose folders are there.
        splits: of ``train``, ``val`` and ``test``.

    Raises:
        FileNotFoundError, ValueError: the folder, what it was searched for, and the setting.
    """
    for place, dataset in datasets(cfg, *splits):
        if not is_wrapper(dataset) and _lists_as_mmseg(dataset):
            _check_sample(place, dataset)


def _lists_as_mmseg(dataset: Mapping) -> bool:
    kind = resolved(dataset, DATASETS)
    return (
        kind is not None
        and issubclass(kind, BaseSegDataset)
        and _is_local(dataset)
        and all(getattr(kind, name) is getattr(BaseSegDataset, name) for name in _LISTING)
    )


def _check_sample(place: str, config: Mapping) -> None:
    try:
        dataset = DATASETS.build({**config, "lazy_init": True, "pipeline": []})
    except AssertionError as error:
        raise ValueError(f"{place} ({type_name(config)}): {error}") from error
    images, masks = (dataset.data_prefix.get(key) for key in ("img_path", "seg_map_path"))
    if images is None or "://" in images:
        return
    name = _listed(place, dataset.ann_file) if dataset.ann_file else None
    if name is None:
        name = _found(place, images, dataset.img_suffix)
    image = Path(images, name + dataset.img_suffix)
    if not image.is_file():
        raise FileNotFoundError(
            f"there is no {str(image)!r}, of which {place}.ann_file={dataset.ann_file!r} has the name; "
            f"img_suffix is {dataset.img_suffix!r}."
        )
    steps = steps_of(config.get("pipeline"))
    if config.get("indices") is not None or not any(
        resolved(step, TRANSFORMS) is LoadAnnotations for step in steps
    ):
        return
    if masks is None:
        raise ValueError(
            f"{place}.data_prefix has no seg_map_path, the folder of the masks, and the pipeline loads them."
        )
    mask = Path(masks, name + dataset.seg_map_suffix)
    if not mask.is_file():
        raise FileNotFoundError(
            f"there is no {str(mask)!r}, the mask of {image.name}: {place} looks for seg_map_suffix="
            f"{dataset.seg_map_suffix!r} in the place of img_suffix={dataset.img_suffix!r}."
        )


def _listed(place: str, path: str) -> str | None:
    """The first name in a file of names; None where the path is a folder."""
    if not Path(path).is_file():
        return None
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                return line.strip()
    raise ValueError(f"{path!r}, which {place}.ann_file names, is empty.")


def _found(place: str, folder: str, suffix: str) -> str:
    """The name, without the suffix, of an image in a folder."""
    files = list_dir_or_file(folder, list_dir=False, recursive=True)
    others: list[str] = []
    for name in files:
        if name.endswith(suffix):
            return name[: -len(suffix)]
        others = others or [name]
    there = f"there are others, such as {others[0]!r}" if others else "it is empty"
    raise ValueError(
        f"no file in {folder!r} ends in {suffix!r}, as img_suffix of {place} wants it; {there}."
    )
