"""Mask files: PNG with one value per pixel, 8 or 16 bits of gray or an index into a palette."""

from __future__ import annotations

import io
import os
from typing import NamedTuple

import numpy as np
from PIL import Image

from anl_seg._files import read_regular_file


class MaskPng(NamedTuple):
    """What a mask file holds.

    Attributes:
        values: (H, W), uint8 or uint16.
        palette: red, green, blue of value 0, of value 1, ...; None for gray.
        transparency: the palette's alpha values or its one transparent index, if it has any.
    """

    values: np.ndarray
    palette: bytes | None = None
    transparency: bytes | int | None = None


def read_mask_png(file: str | os.PathLike | bytes, name: str | None = None) -> MaskPng:
    """Read a mask file.

    Args:
        file: its path or its bytes.
        name: what errors call it; None = the path.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no regular file, no PNG, of more pixels than Pillow opens, cannot be
            decoded, or is a color picture; the file is named.
    """
    name = str(file) if name is None else name
    data = file if isinstance(file, bytes) else read_regular_file(file, "mask file")
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        image.load()
    except Image.DecompressionBombError as error:
        raise ValueError(f"mask file '{name}': {error}") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow says SyntaxError to a broken chunk
        raise ValueError(
            f"mask file '{name}' ({len(data)} bytes) is no readable PNG: it is empty, truncated, corrupt "
            "or of another kind."
        ) from error
    if image.mode in ("1", "L"):
        return MaskPng(np.asarray(image).astype(np.uint8))
    if image.mode == "P":
        palette = bytes(image.getpalette() or b"")
        return MaskPng(np.array(image, np.uint8), palette, image.info.get("transparency"))
    if image.mode.startswith("I"):  # 16 bits of gray: "I;16" since Pillow 10.3, "I" before
        return MaskPng(np.asarray(image).astype(np.uint16))
    raise ValueError(
        f"mask file '{name}' is a colour picture (mode {image.mode}); a mask has one value per pixel: "
        "8 or 16 bits of grey, or a palette."
    )


def encode_mask_png(mask: MaskPng) -> bytes:
    """The bytes of a mask file: the same for the same mask, under the same version of Pillow.

    Raises:
        ValueError: values that are not uint8 or uint16, or 16 bits with a palette.
    """
    values, palette, transparency = mask
    deep = values.dtype == np.uint16
    if values.ndim != 2 or not (deep or values.dtype == np.uint8) or (deep and palette is not None):
        raise ValueError(
            f"a mask file holds (H, W) uint8, or uint16 without a palette; got {values.dtype} of shape "
            f"{values.shape}."
        )
    image = Image.fromarray(np.ascontiguousarray(values))
    options = {}
    if palette is not None:
        # Pillow takes the fewest bits that count the palette's colors, and cuts larger values.
        image.putpalette(palette.ljust(3 * (int(values.max(initial=0)) + 1), b"\0"))
        if transparency is not None:
            options["transparency"] = transparency
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()
