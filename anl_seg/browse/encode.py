"""Pictures as bytes and as data URIs."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
from PIL import Image

from .pictures import FlatPicture

#: A photo up to this many pixels is stored without loss.
_SMALL_PHOTO = 128 * 128
_JPEG_QUALITY = 88


def png(picture: FlatPicture) -> bytes:
    """A PNG with a palette of the colors in use; with true color if they are more than 256."""
    used, indices = np.unique(picture.indices, return_inverse=True)
    # NumPy 2.0 returned the inverse in the input's shape, others flat.
    indices = indices.reshape(picture.indices.shape)
    colours = picture.colours[used]
    stream = io.BytesIO()
    if len(used) > 256:
        Image.fromarray(colours[indices]).save(stream, "PNG", optimize=True)
        return stream.getvalue()
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette(np.ascontiguousarray(colours[:, :3]).tobytes())
    alpha = {"transparency": colours[:, 3].tobytes()} if colours[:, 3].min() < 255 else {}
    image.save(stream, "PNG", optimize=True, **alpha)
    return stream.getvalue()


def photo(image: np.ndarray) -> tuple[str, bytes]:
    """(format, bytes) of a gray or BGR image: PNG if it is small, else JPEG."""
    if image.shape[0] * image.shape[1] <= _SMALL_PHOTO:
        kind, options = "png", [cv2.IMWRITE_PNG_COMPRESSION, 9]
    else:
        kind, options = "jpeg", [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, encoded = cv2.imencode(f".{kind}", image, options)
    return kind, encoded.tobytes()


def data_uri(kind: str, content: bytes) -> str:
    """An image that a page carries in itself.

    Args:
        kind: ``'png'`` or ``'jpeg'``.
        content: its bytes.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
