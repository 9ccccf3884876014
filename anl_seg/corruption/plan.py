"""What is to be done: which sample goes to which file, by which noise and with which values."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from anl_seg._files import check_inside_name
from anl_seg.corruption.find_raw_labels import find_raw_labels
from anl_seg.corruption.folder_masks import FolderMasks
from anl_seg.corruption.mask_dataset import MaskDataset
from anl_seg.corruption.sources import MaskSource
from anl_seg.datasets.transforms.corrupt_mask import CorruptMask
from anl_seg.masks.raw_labels import RawLabels
from anl_seg.noise import MaskNoise
from anl_seg.noise.sample_keys import key_remedy


class Target(NamedTuple):
    """One file to write.

    Attributes:
        position: of the sample in the source.
        dataset: number of its data set there.
        key: what seeds its noise.
        file: where it goes, below the output folder, in posix form.
    """

    position: int
    dataset: int
    key: str
    file: str


class Plan:
    """Everything that decides the files; pickles.

    Args:
        source: the clean masks.
        noise: noise config or model.
        seed: of the noise.

    Attributes:
        corrupt: the transform that would corrupt the masks online.
        raw: for each data set the labels of its files' values, or None where the files written hold
            labels and only ``anl_seg.LoadCorruptedAnnotations`` loads them.
        in_place: for each data set whether the files lie as the source's own do, so that
            ``data_prefix`` can lead to them.
        values: for each data set (C,) the value to write for each class.
        targets: one for each sample, in the source's order.

    Raises:
        ValueError: wrong noise or seed, samples that would share a file, or classes that the source's
            files cannot hold.
    """

    def __init__(self, source: MaskSource, noise: Mapping | MaskNoise, seed: int) -> None:
        self.source = source
        self.corrupt = CorruptMask(
            noise,
            num_classes=source.num_classes,
            seed=seed,
            ignore_index=source.ignore_index,
            key_parts=source.key_parts,
        )
        self.with_image = bool(getattr(self.corrupt.noise, "needs_image", False))
        self.raw: list[RawLabels | None] = []
        self.values: list[np.ndarray] = []
        self.in_place: list[bool] = []
        self.targets: list[Target] = []
        start = 0
        for number, part in enumerate(source.parts):
            raw = (
                RawLabels.identity() if isinstance(part, FolderMasks) else find_raw_labels(part, 0)
            )
            names = None if raw is None else part.relative_names()
            self.raw.append(raw)
            self.values.append((raw or RawLabels.identity()).values_for(source.num_classes))
            self.in_place.append(names is not None)
            self.targets += self._targets(number, part, names, start)
            start += len(part)

    def folder(self, number: int) -> str:
        """The folder of a data set's files below the output folder; empty for the only one."""
        return f"dataset{number}" if len(self.source.parts) > 1 else ""

    def _targets(
        self, number: int, part: MaskDataset, names: list[str] | None, start: int
    ) -> list[Target]:
        found: dict[str, int] = {}
        targets = []
        for inner in range(len(part)):
            key = part.key(inner)
            file = _file_of_key(key) if names is None else names[inner]
            if file in found:
                # A data set may list a sample twice; its mask is the same one.
                path = part.mask_path(inner)
                if path is not None and path == part.mask_path(found[file]):
                    continue
                other = part.mask_path(found[file])
                remedy = key_remedy(key, (other, path), part.key_parts)
                raise ValueError(
                    f"two samples of {part.place or 'the folder'} have the key {key!r} and would share "
                    f"a file: {other} and {path}. {remedy}"
                )
            found[file] = inner
            file = os.path.join(self.folder(number), file).replace(os.sep, "/")
            check_inside_name(file, f"the mask file of {part.place or 'the folder'}")
            targets.append(Target(start + inner, number, key, file))
        return targets

    def names_sha256(self) -> str:
        """SHA-256 of the keys and the files."""
        return _sha256_of_lines([target.key, target.file] for target in self.targets)

    def sizes_sha256(self) -> str:
        """SHA-256 of keys, files and sizes of the source's files: what older manifests hold."""
        return _sha256_of_lines(
            [target.key, target.file, self._source_size(target)] for target in self.targets
        )

    def _source_size(self, target: Target) -> int | None:
        inner = self.source.locate(target.position)[1]
        path = self.source.parts[target.dataset].mask_path(inner)
        return None if path is None else os.path.getsize(path)


def _sha256_of_lines(rows: Iterable[list]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row).encode("ascii") + b"\n")
    return digest.hexdigest()


def _file_of_key(key: str) -> str:
    pieces = key.replace("\\", "/").split("/")
    if not all(pieces) or {".", ".."} & set(pieces):
        raise ValueError(f"sample key {key!r} cannot be the name of a file.")
    return key if key.endswith(".png") else f"{key}.png"
