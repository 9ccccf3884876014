"""A folder of PNG masks, with or without a folder of images."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from anl_seg._files import check_regular_file, read_regular_file
from anl_seg.corruption.mask_dataset import DEFAULT_KEY_PARTS, MaskDataset, Sample
from anl_seg.masks.png import read_mask_png
from anl_seg.noise import sample_key

IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg", ".tif", ".tiff", ".bmp")


class FolderMasks(MaskDataset):
    """See :func:`anl_seg.corruption.sources.folder_source`.

    Args:
        dtype: the least that the masks are given as: uint16 where 8 bits cannot hold every class.
    """

    def __init__(
        self,
        masks_dir: str | os.PathLike,
        images_dir: str | os.PathLike | None = None,
        *,
        mask_suffix: str = ".png",
        image_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
        dtype: type = np.uint8,
        key_parts: int = DEFAULT_KEY_PARTS,
    ) -> None:
        self.key_parts = key_parts
        self._dtype = dtype
        self._given = {
            "masks": Path(masks_dir).as_posix(),
            "images": None if images_dir is None else Path(images_dir).as_posix(),
            "mask_suffix": mask_suffix,
            "image_suffix": image_suffix if isinstance(image_suffix, str) else list(image_suffix),
        }
        # Absolute, so that the key of a mask does not depend on where the tool is started.
        self._masks = Path(os.path.abspath(masks_dir))
        self._images = None if images_dir is None else Path(os.path.abspath(images_dir))
        self._mask_suffix = mask_suffix
        self._image_suffixes = [image_suffix] if isinstance(image_suffix, str) else image_suffix
        for folder in (self._masks, self._images):
            if folder is not None and not folder.is_dir():
                raise FileNotFoundError(f"no folder '{folder}'.")
        self._names = sorted(_files(self._masks, mask_suffix))
        if not self._names:
            raise FileNotFoundError(f"no *{mask_suffix} in '{self._masks}' or a folder in it.")
        for index in range(len(self)):  # before hours of work, not amid it
            check_regular_file(self.mask_path(index), "mask file")
            image = self.image_path(index)
            if image is not None:
                check_regular_file(image, "image")

    def __len__(self) -> int:
        return len(self._names)

    def key(self, index: int) -> str:
        return sample_key(self.mask_path(index), self.key_parts)

    def mask_path(self, index: int) -> str:
        return str(self._masks / self._names[index])

    def image_path(self, index: int) -> str | None:
        """The image of a mask; None if there is none."""
        if self._images is None:
            return None
        stem = self._names[index][: -len(self._mask_suffix)]
        candidates = (self._images / f"{stem}{suffix}" for suffix in self._image_suffixes)
        return next((str(path) for path in candidates if os.path.lexists(path)), None)

    def sample(self, index: int, with_image: bool) -> Sample:
        path, image_path = self.mask_path(index), self.image_path(index)
        mask = self.labels_of_file(index, path)
        image = self._image(index, image_path, mask.shape) if with_image else None
        return Sample(self.key(index), mask, image, path, image_path)

    def _image(self, index: int, path: str | None, shape: tuple[int, int]) -> np.ndarray:
        if self._images is None:
            raise ValueError(
                "the image of a mask is needed: give the folder of the images (--images)."
            )
        if path is None:
            raise FileNotFoundError(
                f"no image for mask '{self.mask_path(index)}' in '{self._images}' "
                f"(same name, ending in {' or '.join(self._image_suffixes)})."
            )
        data = read_regular_file(path, "image")
        _check_pixels(data, path, shape)
        try:
            # imdecode, as mmseg's loader: it opens names that imread cannot on some systems.
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error as error:  # an empty file, or more pixels than OpenCV opens
            raise ValueError(
                f"image '{path}' ({len(data)} bytes) cannot be decoded: {error.err}"
            ) from error
        if image is None:
            raise ValueError(f"image '{path}' ({len(data)} bytes) cannot be decoded.")
        return image

    def labels_of_file(self, index: int, path: str) -> np.ndarray:
        values = read_mask_png(path).values
        return values.astype(np.promote_types(values.dtype, self._dtype))

    def relative_names(self) -> list[str]:
        return list(self._names)

    def folders(self) -> set[Path]:
        return {folder for folder in (self._masks, self._images) if folder is not None}

    def describe(self) -> dict[str, Any]:
        return dict(self._given)


def _check_pixels(data: bytes, path: str, shape: tuple[int, int]) -> None:
    """Compare the size that an image file claims with its mask's, before memory is asked for it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError):  # a format that Pillow does not know
        return
    except Image.DecompressionBombError as error:
        raise ValueError(f"image '{path}': {error}") from error
    # OpenCV turns images as their metadata say, so height and width may be exchanged here.
    if width * height != shape[0] * shape[1]:
        raise ValueError(
            f"image '{path}' is {height} x {width} (height x width), its mask {shape[0]} x {shape[1]}."
        )


def _raise(error: OSError) -> None:
    """A folder that cannot be listed is an error: without one its masks would be left out unsaid."""
    raise error


def _files(folder: Path, suffix: str) -> list[str]:
    """Names below a folder, in posix form; hidden ones left out, links to folders followed once."""
    names, seen = [], set()
    for at, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        real = os.path.realpath(at)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names += [
            Path(at, name).relative_to(folder).as_posix()
            for name in files
            if name.endswith(suffix) and not name.startswith(".")
        ]
    return names
