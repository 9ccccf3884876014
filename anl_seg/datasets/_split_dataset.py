"""What the data sets of this package share: a named split and a layout that is not configurable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from anl_seg._suggest import unknown_name

# Arguments of BaseSegDataset that say where files lie; here the split says it.
_LAYOUT_OPTIONS = ("ann_file", "data_prefix", "img_suffix", "seg_map_suffix", "backend_args")


class SplitDataset(BaseSegDataset):
    """Base of data sets whose ``split`` decides which samples they hold.

    Args:
        split: one of ``SPLITS``.
        kwargs: further arguments of mmseg's ``BaseSegDataset``: ``metainfo``, ``pipeline``, ``indices``,
            ``test_mode``, ``lazy_init`` and so on.

    Raises:
        ValueError: for an unknown split, for ``reduce_zero_label=True`` (label 0 is the background, a
            class of its own here) and for arguments that would have no effect, such as ``ann_file``.
    """

    SPLITS: ClassVar[tuple[str, ...]]

    def __init__(self, split: str = "train", **kwargs: Any) -> None:
        name = type(self).__name__
        if split not in self.SPLITS:
            raise ValueError(unknown_name(f"split of {name}", split, self.SPLITS))
        if kwargs.get("reduce_zero_label"):
            raise ValueError(
                f"{name} does not take reduce_zero_label=True: label 0 is the class 'background'. "
                "To leave it out of the loss, give metainfo=dict(classes=...) without it."
            )
        unused = [key for key in _LAYOUT_OPTIONS if kwargs.get(key)]
        if unused:
            raise ValueError(
                f"{name} finds its samples by split alone, so {', '.join(unused)} would have no "
                "effect: remove it (or add _delete_=True where the config inherits it)."
            )
        for key in _LAYOUT_OPTIONS:
            kwargs.pop(key, None)
        self.split = split
        super().__init__(**kwargs)

    def _data_info(self, sample_key: str, img_path: str, seg_map_path: str) -> dict:
        """The keys that every sample has."""
        return {
            "sample_key": sample_key,
            "split": self.split,
            "img_path": img_path,
            "seg_map_path": seg_map_path,
            "label_map": self.label_map,
            "reduce_zero_label": False,
            "seg_fields": [],
        }


class FolderDataset(SplitDataset):
    """Base of data sets that lie in a folder given by argument or by an environment variable.

    Args:
        split: one of ``SPLITS``.
        data_root: the folder; None reads the environment variable ``ROOT_VARIABLE``.
        kwargs: see ``SplitDataset``.

    Raises:
        FileNotFoundError: when the samples are listed (so not with ``lazy_init=True``), if the folder is
            not given, does not exist or lacks a part of the layout.
    """

    ROOT_VARIABLE: ClassVar[str]

    def __init__(
        self, split: str = "train", data_root: str | os.PathLike | None = None, **kwargs: Any
    ) -> None:
        self._given_root = data_root
        root = os.environ.get(self.ROOT_VARIABLE) if data_root is None else os.fspath(data_root)
        super().__init__(split=split, data_root=root or None, **kwargs)

    def _folders(self, parts: Sequence[str]) -> list[Path]:
        """The folders ``parts`` below the root, checked to exist."""
        name, variable = type(self).__name__, self.ROOT_VARIABLE
        ways = f"data_root=... or the environment variable {variable}"
        if self.data_root is None:
            raise FileNotFoundError(
                f"{name} does not know where its data lies: give {ways} "
                f"(data_root is {self._given_root!r}, {variable} is "
                f"{os.environ.get(variable, 'not set')!r})."
            )
        folders = [Path(self.data_root, part) for part in parts]
        missing = [part for part, folder in zip(parts, folders) if not folder.is_dir()]
        if missing:
            source = variable if self._given_root is None else "data_root"
            raise FileNotFoundError(
                f"{name}: no folder {', '.join(missing)} in {self.data_root!r} (from {source}); "
                f"{ways} must name the folder that holds {', '.join(parts)}."
            )
        return folders

    def _images(self, folder: Path, suffix: str) -> list[Path]:
        """The images of a folder, sorted by name; an error if there is none."""
        images = sorted(path for path in folder.glob(f"*{suffix}") if not path.name.startswith("."))
        if not images:
            raise FileNotFoundError(f"{type(self).__name__}: no *{suffix} in '{folder}'.")
        return images

    def _require_masks(self, masks: Sequence[Path]) -> None:
        """Raise FileNotFoundError, naming the first file, unless all masks exist."""
        missing = [path for path in masks if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{type(self).__name__}: an image has no mask: '{missing[0]}' is missing "
                f"({len(missing)} of {len(masks)} masks are)."
            )
