"""What the noise models see of an image."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

# Side of the square window around a pixel. Odd, and 25 pixels of (3 * 255) ** 2 stay below 2 ** 24.
_WINDOW = 5
_PIXELS = _WINDOW**2
# White of a float image in [0, 1], with what resizing and the like may add to it.
_WHITE = 1.001


def check_image(image: np.ndarray | None, mask: np.ndarray, needed_by: str) -> np.ndarray:
    """The image of a mask as three channels of bytes.

    Args:
        image: (H, W) or (H, W, channels), one channel or the first three of more; uint8, or floats
            in [0, 1] (none above 1, scaled by 255) or in [0, 255]; floats are rounded.
        mask: (H, W), what the image must be as large as.
        needed_by: name of the noise model, for the errors.

    Returns:
        (H, W, 3) uint8 in the order of the image's channels (OpenCV loads blue, green, red). One
        channel is repeated. May be the image itself.

    Raises:
        ValueError: there is no image, or it is of another shape, dtype or range.
    """
    if image is None:
        raise ValueError(
            f"{needed_by} looks at the image, but got none: put CorruptMask behind "
            "LoadImageFromFile, or call the noise with image=..."
        )
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f"{needed_by} needs the image as a numpy array, got {type(image).__name__}"
        )
    if image.ndim not in (2, 3) or image.shape[:2] != mask.shape:
        raise ValueError(
            f"{needed_by} needs an image of shape (H, W) or (H, W, channels) and of the mask's size "
            f"{mask.shape}, got {image.shape}: put CorruptMask before every resize and crop"
        )
    channels = image.shape[2] if image.ndim == 3 else 1
    if channels in (0, 2):
        raise ValueError(
            f"{needed_by} needs an image of one channel, or of at least three, got {channels}"
        )
    if image.ndim == 3:
        image = image[..., 0] if channels == 1 else image[..., :3]
    if np.issubdtype(image.dtype, np.floating):
        image = _rounded(image, needed_by)
    elif image.dtype != np.uint8:
        raise ValueError(
            f"{needed_by} needs an image of uint8, or of floats in [0, 1] or [0, 255], got dtype "
            f"{image.dtype}: how bright its values are meant to be is not known. Load it as 8 bits, or "
            "scale it"
        )
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image)


def _rounded(image: np.ndarray, needed_by: str) -> np.ndarray:
    if image.size:
        low, high = float(image.min()), float(image.max())
        # Written so that a NaN, which compares as False, is an error too.
        if not (low >= 0 and high <= 255):
            raise ValueError(
                f"{needed_by} needs the values of a float image in [0, 1] or [0, 255], found {low:g} to "
                f"{high:g}: put CorruptMask before the image is normalised"
            )
        if high <= _WHITE:
            # In float64: 255 times a float16 would be off by up to 1/16.
            image = np.minimum(image.astype(np.float64), 1) * 255
    return np.floor(image + 0.5).astype(np.uint8)


class LocalFeatures(NamedTuple):
    """The content of the 5 x 5 pixels around each pixel, in whole 64ths of a unit.

    The units are fixed, not taken from the image, so equal content has equal features in every
    image. All are (H, W) int32. With gray for the mean of the three channels:

    Attributes:
        brightness: mean gray minus 128; unit 64 gray levels, so values of -128 to 127.
        contrast: standard deviation of gray; unit 16 levels, values of 0 to 510.
        warmth: mean of red minus blue; unit 32 levels, values of -510 to 510.
        greenness: mean of 2 green - red - blue; unit 64 levels, values of -510 to 510.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    warmth: np.ndarray
    greenness: np.ndarray


def local_features(image: np.ndarray) -> LocalFeatures:
    """The features of every pixel. Beyond the edges the image is mirrored (without the edge pixels).

    Args:
        image: (H, W, 3) uint8; channels blue, green, red. H and W at least 1.
    """
    blue, green, red = (channel.astype(np.float32) for channel in cv2.split(image))
    total = blue + green + red
    # Every sum is a whole number below 2 ** 24: float32 holds it exactly, in whatever order OpenCV
    # adds. The square root of a whole number is the same float on every machine.
    total_sum = _window_sum(total)
    square_sum = _window_sum(total * total)
    variance = _PIXELS * square_sum.astype(np.int64) - total_sum.astype(np.int64) ** 2
    contrast = np.sqrt(variance) * (4 / (3 * _PIXELS))
    return LocalFeatures(
        brightness=_round_half_up(total_sum * np.float32(1 / (3 * _PIXELS))) - 128,
        contrast=_round_half_up(contrast),
        warmth=_round_half_up(_window_sum(red - blue) * np.float32(2 / _PIXELS)),
        greenness=_round_half_up(_window_sum(3 * green - total) * np.float32(1 / _PIXELS)),
    )


def _window_sum(values: np.ndarray) -> np.ndarray:
    return cv2.boxFilter(
        values, -1, (_WINDOW, _WINDOW), normalize=False, borderType=cv2.BORDER_REFLECT_101
    )


def _round_half_up(values: np.ndarray) -> np.ndarray:
    values += values.dtype.type(0.5)
    return np.floor(values, out=values).astype(np.int32)
