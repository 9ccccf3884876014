"""Reading of binary mask files, and the last step of every loader of masks."""

from __future__ import annotations

import os

import cv2
import numpy as np

from anl_seg._files import read_regular_file

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"


def read_binary_mask(path: str | os.PathLike) -> np.ndarray:
    """Read a mask file in which 0 means outside and 255 means inside.

    Args:
        path: an image file of one channel, or of three equal ones.

    Returns:
        mask, uint8 (H, W), values 0 and 1.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no regular file, cannot be decoded, has differing or too many channels, or
            holds values other than 0 and 255; the text names the file and the values.
    """
    data = read_regular_file(path, "mask file")
    # Some OpenCV versions decode a truncated PNG without complaint and leave the rest empty.
    truncated = data.startswith(_PNG_START) and _PNG_END not in data[-64:]
    image = None
    if data and not truncated:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(
            f"mask file '{path}' ({len(data)} bytes) cannot be decoded: "
            "it is empty, truncated, corrupt or no image."
        )
    if image.ndim == 3:
        if image.shape[2] not in (1, 3) or (image != image[..., :1]).any():
            raise ValueError(
                f"mask file '{path}' must have one channel or three equal ones, "
                f"got {image.shape[2]} channels."
            )
        image = image[..., 0]
    wrong = (image != 0) & (image != 255)
    if wrong.any():
        values = np.unique(image[wrong])
        shown = ", ".join(str(value) for value in values[:8])
        more = ", ..." if len(values) > 8 else ""
        raise ValueError(
            f"mask file '{path}' must hold only 0 and 255, but has {shown}{more} "
            f"at {int(wrong.sum())} of {wrong.size} pixels."
        )
    return (image != 0).astype(np.uint8)


def check_image_size(results: dict, mask: np.ndarray, path: str) -> None:
    """Check that a mask is as large as the image was when it was loaded.

    Compares with ``ori_shape``, not with ``img_shape``: test pipelines load the mask after resizing.

    Raises:
        ValueError: naming both sizes and both files.
    """
    shape = results.get("ori_shape", results.get("img_shape"))
    if shape is not None and tuple(shape[:2]) != mask.shape:
        raise ValueError(
            f"mask file '{path}' is {mask.shape[0]} x {mask.shape[1]} (height x width), but its image "
            f"'{results.get('img_path')}' is {shape[0]} x {shape[1]}."
        )


def store_seg_map(results: dict, mask: np.ndarray) -> dict:
    """Apply the data set's ``label_map`` to a mask and put it into ``results``.

    Args:
        results: a sample; ``label_map`` (old label -> new one, or None) and ``reduce_zero_label`` are
            read, ``gt_seg_map`` is set, ``seg_fields`` gets its name.
        mask: uint8 (H, W), labels of the data set's own classes.

    Returns:
        results.

    Raises:
        ValueError: if ``reduce_zero_label`` is set.
    """
    if results.get("reduce_zero_label"):
        raise ValueError(
            f"sample {results.get('sample_key')!r} asks for reduce_zero_label, which this loader does "
            "not do: label 0 is the class 'background'."
        )
    label_map = results.get("label_map")
    if label_map is not None:
        table = np.arange(256, dtype=np.uint8)
        for old, new in label_map.items():
            table[old] = new
        mask = table[mask]
    results["gt_seg_map"] = mask
    fields = results.setdefault("seg_fields", [])
    if "gt_seg_map" not in fields:
        fields.append("gt_seg_map")
    return results
