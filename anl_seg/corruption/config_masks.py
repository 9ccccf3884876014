"""A data set of an mmseg config, its pipeline cut behind the annotation loader."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules

from anl_seg._files import check_regular_file
from anl_seg._suggest import sentence
from anl_seg.config._walk import is_wrapper, loads_seg_map, located, type_name
from anl_seg.corruption.mask_dataset import DEFAULT_KEY_PARTS, MaskDataset, Sample
from anl_seg.datasets.transforms.corrupt_mask import key_of_sample
from anl_seg.noise import build_noise

#: A folder that exists nowhere, to ask a data set where it would look.
_ELSEWHERE = os.path.join(os.path.abspath(os.sep), "anl_seg-corrupted-masks")


def datasets_of_config(
    dataset: Mapping, place: str, scope: str, key_parts: int = DEFAULT_KEY_PARTS
) -> list[ConfigMasks]:
    """The data sets of a config that load annotations, through wrappers and concatenations.

    Args:
        dataset: the config of a data set.
        place: the settings that lead to it, for example ``train_dataloader.dataset``.
        scope: default scope of the config.
        key_parts: how many last parts of a mask's path make its key, where ``CorruptMask`` does not say.

    Raises:
        ValueError: a data set without an annotation loader, or with ``CorruptMask`` elsewhere than right
            behind it.
    """
    register_all_modules(init_default_scope=False)
    parts = []
    for at, owner in located(dataset, place):
        if is_wrapper(owner):
            continue  # a wrapper; what its pipeline does comes after the annotations
        steps = [dict(step) for step in owner.get("pipeline") or []]
        loader = next((i for i, step in enumerate(steps) if loads_seg_map(step)), None)
        if loader is None:
            raise ValueError(
                f"no transform in the pipeline of {at} ({type_name(owner)}) loads annotations."
            )
        names = [type_name(step) for step in steps]
        corruption = None
        if "CorruptMask" in names:
            if names.index("CorruptMask") != loader + 1:
                raise ValueError(
                    f"CorruptMask must stand right behind {names[loader]} in the pipeline of {at}; "
                    f"it stands behind {names[names.index('CorruptMask') - 1]}."
                )
            corruption = steps[loader + 1]
        parts.append(ConfigMasks(owner, steps[: loader + 1], corruption, at, scope, key_parts))
    if not parts:
        raise ValueError(f"{place} has no data set with a pipeline.")
    return parts


class ConfigMasks(MaskDataset):
    """One data set of a config.

    Args:
        config: of the data set.
        steps: its pipeline up to and including the annotation loader.
        corruption: the ``CorruptMask`` behind it; None if there is none.
        place: the settings that lead to the data set.
        scope: default scope of the config.
        key_parts: see :func:`datasets_of_config`.
    """

    def __init__(
        self,
        config: Mapping,
        steps: list[dict],
        corruption: dict | None,
        place: str,
        scope: str,
        key_parts: int,
    ) -> None:
        self.place = place
        self.keeps_clean = bool((corruption or {}).get("keep_clean"))
        self.corruption = _without_type(corruption)
        self.key_parts = (self.corruption or {}).get("key_parts", key_parts)
        self._config = {**copy.deepcopy(dict(config)), "pipeline": steps}
        self.steps = len(steps)
        self._scope = scope
        self._dataset = self._build(self._config)
        *self._before, self._loader = self._dataset.pipeline.transforms
        self.metainfo = dict(self._dataset.metainfo)
        for index in range(len(self)):  # before hours of work, not amid it
            for path in _files(self._dataset.get_data_info(index)):
                if os.path.lexists(path):
                    check_regular_file(path, f"of {place} the file")

    def _build(self, config: dict) -> Any:
        try:
            with DefaultScope.overwrite_default_scope(self._scope):
                dataset = DATASETS.build(config)
                dataset.full_init()
        except AssertionError as error:  # how some of mmseg's data sets say that a file is missing
            raise FileNotFoundError(
                f"{self.place} ({type_name(config)}) cannot be built from "
                f"{self._places(config)}: {error or 'a folder or its ann_file is missing'}"
            ) from error
        return dataset

    @staticmethod
    def _places(config: Mapping) -> str:
        names = ("data_root", "data_prefix", "ann_file")
        return ", ".join(f"{name}={config[name]!r}" for name in names if config.get(name))

    def __len__(self) -> int:
        return len(self._dataset)

    def key(self, index: int) -> str:
        return key_of_sample(self._dataset.get_data_info(index), self.key_parts)

    def mask_path(self, index: int) -> str | None:
        return _file(self._dataset.get_data_info(index).get("seg_map_path"))

    def sample(self, index: int, with_image: bool) -> Sample:
        results = self._dataset.get_data_info(index)
        # Decoding an image that nobody looks at would take most of the time.
        mask_only = not with_image and all(type(t) is LoadImageFromFile for t in self._before)
        image = None
        for transform in [self._loader] if mask_only else [*self._before, self._loader]:
            results = _loaded(transform, results)
            if results is None:
                raise ValueError(
                    f"{type(transform).__name__} filters sample {index} of {self.place} out, so it is "
                    "never trained on; leave it out of the data set."
                )
            image = results.get("img") if image is None else image
        mask = results["gt_seg_map"]
        if with_image:
            if image is None:
                raise ValueError(
                    f"the image of a mask is needed, but the pipeline of {self.place} loads none "
                    f"before {type(self._loader).__name__}."
                )
            # Test pipelines resize before they load the mask; the image of the mask's size is wanted.
            if results["img"].shape[:2] == mask.shape:
                image = results["img"]
        return Sample(
            key_of_sample(results, self.key_parts),
            mask,
            image if with_image else None,
            _file(results.get("seg_map_path")),
            _file(results.get("img_path")),
        )

    def labels_of_file(self, index: int, path: str) -> np.ndarray:
        results = self._dataset.get_data_info(index)
        results["seg_map_path"] = path
        return self._loader(results)["gt_seg_map"]

    def relative_names(self) -> list[str] | None:
        """Found by asking: the data set is built once more with another ``seg_map_path`` prefix."""
        prefix = {**(self._config.get("data_prefix") or {}), "seg_map_path": _ELSEWHERE}
        try:
            moved = self._build({**copy.deepcopy(self._config), "data_prefix": prefix})
            paths = [moved.get_data_info(i)["seg_map_path"] for i in range(len(moved))]
        except Exception:  # whatever a data set says to a prefix that it does not know
            return None
        if len(paths) != len(self) or not all(
            path is not None and os.path.normpath(path).startswith(_ELSEWHERE + os.sep)
            for path in paths
        ):
            return None
        names = [Path(os.path.relpath(path, _ELSEWHERE)).as_posix() for path in paths]
        old = [self._dataset.get_data_info(i)["seg_map_path"] for i in range(len(self))]
        same = all(Path(path).as_posix().endswith(f"/{name}") for path, name in zip(old, names))
        return names if same else None

    def folders(self) -> set[Path]:
        files = set()
        for i in range(len(self)):
            files |= set(_files(self._dataset.get_data_info(i)))
        return {Path(path).absolute().parent for path in files if _file(path)}

    def describe(self) -> dict[str, Any]:
        config = {key: value for key, value in self._config.items() if key != "pipeline"}
        return {**json_content(config), "pipeline": json_content(self._config["pipeline"])}


def _without_type(corruption: dict | None) -> dict | None:
    """The arguments of a ``CorruptMask`` that decide the masks, defaults filled in."""
    if corruption is None:
        return None
    return {
        "noise": build_noise(corruption["noise"]).config(),
        "num_classes": corruption["num_classes"],
        "seed": corruption.get("seed", 0),
        "ignore_index": corruption.get("ignore_index", 255),
        "key_parts": corruption.get("key_parts", DEFAULT_KEY_PARTS),
    }


def _files(info: Mapping) -> list[str]:
    """The files that a sample names: image, mask, and masks where it has several."""
    paths = [
        info.get("img_path"),
        info.get("seg_map_path"),
        *(info.get("mask_paths") or {}).values(),
    ]
    return [path for path in paths if path is not None]


def _loaded(transform: Callable[[dict], dict | None], results: dict) -> dict | None:
    """What a loader makes of a sample; whatever it raises tells which files it was to load."""
    try:
        return transform(results)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AssertionError):
        raise
    except (
        Exception
    ) as error:  # of Pillow or OpenCV, which are given bytes and do not know the file
        files = _files(results)
        if not files or any(str(path) in str(error) for path in files):
            raise
        raise ValueError(
            f"{type(transform).__name__} cannot load one of {', '.join(map(repr, files))}: "
            f"{type(error).__name__}: {sentence(error)}"
        ) from error


def _file(path: str | None) -> str | None:
    return path if path is not None and os.path.isfile(path) else None


def json_content(value: Any) -> Any:
    """A piece of a config as JSON can hold it; classes and other objects by their names."""
    if isinstance(value, Mapping):
        return {str(key): json_content(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_content(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
