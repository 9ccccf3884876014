"""What a source of masks is made of: data sets that give their samples by number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DEFAULT_KEY_PARTS = 2  # CorruptMask's


class Sample(NamedTuple):
    """One sample before any corruption.

    Attributes:
        key: what seeds its noise, as ``CorruptMask`` computes it.
        mask: (H, W) integers, the clean labels as the annotation loader gives them.
        image: (H, W, 3) uint8 in BGR order, or as the config's pipeline loads it; None if not asked for.
        mask_path: the label file; None if there is no such file.
        image_path: the image file; None if there is no such file.
    """

    key: str
    mask: np.ndarray
    image: np.ndarray | None
    mask_path: str | None
    image_path: str | None


class MaskDataset(ABC):
    """One data set of a source."""

    #: Names of the config's settings that lead to this data set; empty for folders.
    place: str = ""
    #: How many steps its pipeline has up to and including the annotation loader; 0 for folders.
    steps: int = 0
    #: How many last parts of a mask's path make its key.
    key_parts: int = DEFAULT_KEY_PARTS
    #: Whether the config's own corruption keeps the clean masks beside the noisy ones.
    keeps_clean: bool = False

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def key(self, index: int) -> str:
        """The key of a sample."""

    @abstractmethod
    def mask_path(self, index: int) -> str | None:
        """The label file of a sample; None if there is no such file."""

    @abstractmethod
    def sample(self, index: int, with_image: bool) -> Sample:
        """Load a sample."""

    @abstractmethod
    def labels_of_file(self, index: int, path: str) -> np.ndarray:
        """What the annotation loader makes of another label file in the place of the sample's."""

    @abstractmethod
    def relative_names(self) -> list[str] | None:
        """The names under which the data set would find all its label files in another folder.

        None if it cannot be led to another folder.
        """

    @abstractmethod
    def folders(self) -> set[Path]:
        """The folders that hold its files: nothing may be written there."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Where the samples come from, as values that JSON can hold."""
