"""The samples of a data set with their clean masks: from an mmseg config, or from plain folders."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from anl_seg._checks import check_integer
from anl_seg._spaced import evenly_spaced
from anl_seg._suggest import WRONG_INPUT
from anl_seg.config._walk import as_list
from anl_seg.config.labels import label_range, values_of_heads
from anl_seg.config.load import load_config
from anl_seg.config.options import apply_options
from anl_seg.corruption.config_masks import ConfigMasks, datasets_of_config, json_content
from anl_seg.corruption.folder_masks import IMAGE_SUFFIXES, FolderMasks
from anl_seg.corruption.mask_dataset import DEFAULT_KEY_PARTS, MaskDataset, Sample
from anl_seg.noise.label_counts import LOOKED_AT, LabelCounts
from anl_seg.noise.sample_keys import check_keys

#: Each pair of classes is counted for every mask: 128 MiB for so many.
MOST_CLASSES = 1 << 12

__all__ = ["MaskSource", "Sample", "config_source", "folder_source"]


class MaskSource:
    """Samples by number, with their clean masks. Pickles, so that worker processes can have it.

    Attributes:
        parts: the data sets that the samples come from, one after the other.
        num_classes: C; labels lie in [0, C) or are ``ignore_index``.
        ignore_index: label of the pixels that do not count.
        class_names: one name per class; None if unknown.
        palette: one [red, green, blue] per class; None if unknown.
        corruption: ``CorruptMask``'s arguments where the config corrupts these masks, else None. The
            masks here are the clean ones all the same.
        key_parts: how many last parts of a mask's path make its key.
        origin: what the source was asked for, as values that JSON can hold.
        name: a few words that tell people where the samples come from.
    """

    def __init__(
        self,
        parts: Sequence[MaskDataset],
        *,
        num_classes: int,
        ignore_index: int,
        class_names: Sequence[str] | None = None,
        palette: Sequence | None = None,
        corruption: Mapping | None = None,
        origin: Mapping | None = None,
        name: str = "",
    ) -> None:
        self.parts = tuple(parts)
        self.num_classes = check_classes(num_classes)
        self.ignore_index = ignore_index
        # Names and colors of another number of classes would be attached to the wrong ones.
        names = class_names if class_names and len(class_names) == num_classes else None
        colours = palette if palette and len(palette) == num_classes else None
        self.class_names = None if names is None else tuple(names)
        self.palette = None if colours is None else [list(map(int, c)) for c in colours]
        self.corruption = None if corruption is None else dict(corruption)
        self.origin = dict(origin or {})
        self.name = name
        self.key_parts = self.parts[0].key_parts if self.parts else DEFAULT_KEY_PARTS
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def locate(self, index: int) -> tuple[int, int]:
        """Which part a sample belongs to, and its number there.

        Raises:
            IndexError: no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = next(i for i, end in enumerate(self._ends) if index < end)
        return number, index - (self._ends[number] - len(self.parts[number]))

    def check_keys(self) -> None:
        """Make sure that each sample has a key of its own; two parts may use one, which is said.

        Raises:
            ValueError: two samples of one part have the same key; both are named.
        """
        groups = [[(p.key(i), p.mask_path(i)) for i in range(len(p))] for p in self.parts]
        if shared := check_keys(groups, self.key_parts):
            print_log(shared, logger="current", level=logging.WARNING)

    def warn_of_labels(self) -> None:
        """Say it where nothing can be learned from the masks of a part, as some of them show."""
        for part in self.parts:
            counts = LabelCounts(self.num_classes, self.ignore_index)
            for inner in evenly_spaced(len(part), LOOKED_AT):
                with contextlib.suppress(OSError, *WRONG_INPUT):  # told when it is its turn
                    counts.add(part.sample(inner, with_image=False).mask)
            if problem := counts.problem():
                text = f"{part.place or self.name}: {problem}"
                print_log(text, logger="current", level=logging.WARNING)

    def key(self, index: int) -> str:
        """The key that seeds the noise of a sample; nothing is loaded."""
        number, inner = self.locate(index)
        return self.parts[number].key(inner)

    def sample(self, index: int, with_image: bool = False) -> Sample:
        """Load a sample.

        Args:
            index: 0 to ``len(self) - 1``.
            with_image: load the image too, which noise that looks at it needs.

        Raises:
            FileNotFoundError, ValueError: a file is missing or is not what it should be; it is named.
        """
        number, inner = self.locate(index)
        return self.parts[number].sample(inner, with_image)


def config_source(
    config: str | os.PathLike | Config,
    split: str = "train",
    *,
    num_classes: int | None = None,
    ignore_index: int | None = None,
    cfg_options: Mapping | None = None,
    key_parts: int | None = None,
) -> MaskSource:
    """The samples of one split of an mmseg config.

    Nested and concatenated data sets are followed; each sample counts once, however often a wrapper
    repeats it. A pipeline runs up to and including the transform that loads the annotations, so the masks
    are those that ``CorruptMask`` meets, and are keyed as there. Where the config itself corrupts some of
    the data sets, only these are taken.

    Args:
        config: a loaded config, the path of one, or ``mmseg::family/config.py``.
        split: ``"train"``, ``"val"`` or ``"test"``: the data loader to take.
        num_classes: C; None = that of ``CorruptMask``, else of the decode head.
        ignore_index: None = that of ``CorruptMask``, else of the decode head, else 255.
        cfg_options: settings to override, as ``--cfg-options`` does; ``config`` is left as it is.
        key_parts: how many last parts of a mask's path make its key; None = that of ``CorruptMask``, else
            the config's ``noise_key_parts``, else 2.

    Raises:
        FileNotFoundError: no such config, or its data is not there.
        ValueError: no such data loader, no annotation loader in a pipeline, data sets that are corrupted
            differently, no samples, or an unknown number of classes.
    """
    if isinstance(config, (str, os.PathLike)):
        name = os.fspath(config)
        cfg = load_config(name)
    else:
        name, cfg = config.filename, copy.deepcopy(config)
    apply_options(cfg, cfg_options)
    loaders = as_list(cfg.get(f"{split}_dataloader"))
    if not loaders:
        raise ValueError(f"the config has no {split}_dataloader.")
    given_parts = key_parts is not None
    if key_parts is None:
        key_parts = cfg.get("noise_key_parts")
    key_parts = DEFAULT_KEY_PARTS if key_parts is None else key_parts
    key_parts = check_integer("key_parts", key_parts, low=1)
    parts: list[ConfigMasks] = []
    for i, loader in enumerate(loaders):
        place = f"{split}_dataloader" + (f".{i}" if len(loaders) > 1 else "")
        scope = cfg.get("default_scope") or "mmseg"
        parts += datasets_of_config(loader["dataset"], f"{place}.dataset", scope, key_parts)
    parts = [part for part in parts if part.corruption] or parts
    corruption = parts[0].corruption or {}
    if any((part.corruption or {}) != corruption for part in parts):
        raise ValueError(
            f"the data sets of {split}_dataloader are corrupted differently; corrupt them one by one, "
            "each with a config of its own."
        )
    if parts and parts[0].key_parts != key_parts and given_parts:
        raise ValueError(
            f"the config's CorruptMask has key_parts={parts[0].key_parts}, not {key_parts}."
        )
    if num_classes is None:
        num_classes = corruption.get("num_classes")
    if num_classes is None and not values_of_heads(cfg, "num_classes"):
        raise ValueError(
            "the config's heads name no num_classes: give num_classes (--num-classes)."
        )
    if ignore_index is None:
        ignore_index = corruption.get("ignore_index")
    datasets = {"datasets": [loader["dataset"] for loader in loaders]}
    num_classes, ignore_index = label_range(cfg, datasets, num_classes, ignore_index)
    source = MaskSource(
        parts,
        num_classes=num_classes,
        ignore_index=ignore_index,
        class_names=parts[0].metainfo.get("classes"),
        palette=parts[0].metainfo.get("palette"),
        corruption=corruption or None,
        origin={
            "config": None if name is None else Path(name).as_posix(),
            "split": split,
            "cfg_options": json_content(cfg_options or {}),
        },
        name=f"{split} masks of {name or 'a config'}",
    )
    if not len(source):
        raise ValueError(f"the data sets of {split}_dataloader are empty: {parts[0].describe()}")
    return source


def check_classes(num_classes: object) -> int:
    """Return a number of classes whose pairs can be counted, or raise a ValueError that names it."""
    num_classes = check_integer("num_classes", num_classes, low=2)
    if num_classes > MOST_CLASSES:
        raise ValueError(
            f"num_classes must be at most {MOST_CLASSES}, as every pair of classes is counted; "
            f"got {num_classes}."
        )
    return num_classes


def folder_source(
    masks_dir: str | os.PathLike,
    images_dir: str | os.PathLike | None = None,
    *,
    num_classes: int,
    ignore_index: int = 255,
    mask_suffix: str = ".png",
    image_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
    key_parts: int = DEFAULT_KEY_PARTS,
) -> MaskSource:
    """The PNG masks of a folder and of the folders in it, sorted by path.

    The label of a pixel is the value in the file: 8 or 16 bits of gray, or the index into a palette. A
    sample's key is the last parts of the mask's path, as in ``CorruptMask``.

    Args:
        masks_dir: the folder of the masks.
        images_dir: the folder of the images, which lie there as the masks lie in ``masks_dir``.
        num_classes: C.
        ignore_index: label of the pixels that do not count, outside [0, C).
        mask_suffix: what the names of the masks end in.
        image_suffix: what stands in its place in the names of the images; of several, the first for
            which there is a file.
        key_parts: how many last parts of a mask's path make its key.

    Raises:
        FileNotFoundError: no such folder, or no mask in it.
    """
    num_classes = check_classes(num_classes)
    part = FolderMasks(
        masks_dir,
        images_dir,
        mask_suffix=mask_suffix,
        image_suffix=image_suffix,
        dtype=np.uint16 if num_classes > 256 else np.uint8,
        key_parts=check_integer("key_parts", key_parts, low=1),
    )
    return MaskSource(
        [part],
        num_classes=num_classes,
        ignore_index=ignore_index,
        origin=part.describe(),
        name=f"masks of {Path(masks_dir)}",
    )
