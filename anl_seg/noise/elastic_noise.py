"""Outlines bent by a random, smooth field."""

from __future__ import annotations

import math

import cv2
import numpy as np

from anl_seg._checks import check_integer, check_number

from .base import MaskContext, MaskNoise, as_function, register_noise
from .objects import MaskObjects
from .rounding import round_half_up
from .sample_rng import Rng

# Largest absolute values: the field as drawn, and smoothed along rows. Sums of the kernel's weights
# along rows and along columns, within a few percent. No product of a value and a sum of weights
# reaches 2 ** 24, up to which float32 holds every whole number: sums are exact, in whatever order
# OpenCV adds. Rounding adds noise of less than 2 % of the field, 0.5 % up to sigma 10.
_DRAWN, _ROW_WEIGHTS = 2**9, 2**14
_ALONG_ROWS, _COLUMN_WEIGHTS = 2**10, 2**13
# Standard deviations at which the Gaussian is cut off, as OpenCV does for floats.
_REACH = 4
_MAX_SIGMA = 50.0


@register_noise(example=dict(alpha=100, sigma=5), no_noise=dict(alpha=0, sigma=3))
class ElasticNoise(MaskNoise):
    """Bend the mask by a random, smooth field of displacements; the image stays as it is.

    Each pixel has a displacement in x and one in y. Both are drawn for each pixel by itself,
    uniformly from [-alpha, alpha], set to 0 in the bounding boxes of small regions (see
    ``min_area``), and smoothed by a Gaussian (cut off at 4 sigma; the field is mirrored at the
    edges, as cv2.GaussianBlur does). Then a pixel takes the label of the pixel that lies at its
    displacement, both rounded to whole pixels, halves up, and cut at the edges of the image. A
    pixel whose source is ignored keeps its clean label.

    ``alpha`` is not how far labels move: smoothing averages nearly all of it away. In x and in y,
    displacements have a standard deviation of alpha / (sqrt(3) 2 sqrt(pi) sigma) pixels, about
    0.163 alpha / sigma: 1.6 pixels at alpha 50 and sigma 5. Below half a pixel nothing moves: alpha
    1 with sigma 3 (0.05 pixels) changes nothing.

    Args:
        alpha: largest displacement before smoothing in pixels, at least 0.
        sigma: standard deviation of the Gaussian in pixels, in (0, 50].
        min_area: the field is 0, before smoothing, in the bounding box of each 8-connected region
            of any class (class 0 too) with at most so many pixels, and floor(alpha / 2) pixels
            around the box. 0 leaves the field as it is.

    Random numbers: draws two uniform numbers per pixel, ignored pixels included: first all for x.

    Raises:
        ValueError: a parameter or a label is out of range.

    Source: Kim et al., "NSegment", 2025 (arXiv 2504.19634), where alpha is one of 1, 15, 30, 50, 100
    and sigma one of 3, 5, 10, drawn anew for each image that is augmented (every second);
    "NSegment+" adds ``min_area``, there 1000.
    """

    strength_name = "alpha"
    # The field is the same: labels go farther, or small regions are spared.
    nested_in = ("alpha", "min_area")

    def __init__(self, alpha: float, sigma: float, min_area: int = 0) -> None:
        self.alpha = check_number("alpha", alpha)
        self.sigma = _check_sigma(sigma)
        self.min_area = check_integer("min_area", min_area, low=0)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        fields = [_random_field(mask.shape, rng) for _ in "xy"]
        noisy = mask.copy()
        if mask.size == 0:
            return noisy
        if self.min_area > 0:
            still = _around_small_regions(mask, valid, self.min_area, math.floor(self.alpha / 2))
            for field in fields:
                field[still] = 0
        height, width = mask.shape
        columns = _sources(_smoothed(fields[0], self.sigma), self.alpha, np.arange(width), width)
        rows = _sources(
            _smoothed(fields[1], self.sigma), self.alpha, np.arange(height)[:, None], height
        )
        source = rows * width + columns
        moved = np.take(mask.reshape(-1), source)
        np.copyto(noisy, moved, where=valid & np.take(valid.reshape(-1), source))
        return noisy


elastic_noise = as_function(ElasticNoise)


def _check_sigma(sigma: object) -> float:
    value = check_number("sigma", sigma, high=_MAX_SIGMA)
    if value == 0:
        raise ValueError(f"sigma must lie in (0, {_MAX_SIGMA:g}], got {sigma!r}")
    return value


def _random_field(shape: tuple[int, int], rng: Rng) -> np.ndarray:
    """(H, W) float32 of odd whole numbers, uniform in (-_DRAWN, _DRAWN), with mean 0."""
    field = rng.random(shape)
    field *= _DRAWN
    np.floor(field, out=field)
    return (2 * field + (1 - _DRAWN)).astype(np.float32)


def _gaussian(sigma: float, total: int) -> np.ndarray:
    """The weights of the kernel, whole numbers that add up to about ``total``."""
    reach = round_half_up(_REACH * sigma)
    weights = [math.exp(-((i / sigma) ** 2) / 2) for i in range(-reach, reach + 1)]
    sum_of_weights = math.fsum(weights)
    whole = [round_half_up(w / sum_of_weights * total) for w in weights]
    return np.array(whole, dtype=np.float32)


def _smoothed(field: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W) float64, the smoothed field in [-1, 1]."""
    one = np.ones(1, dtype=np.float32)
    border = cv2.BORDER_REFLECT_101
    row_kernel, column_kernel = _gaussian(sigma, _ROW_WEIGHTS), _gaussian(sigma, _COLUMN_WEIGHTS)
    rows = cv2.sepFilter2D(field, -1, row_kernel, one, borderType=border)
    # A power of two: the division is exact, and so is the rounding.
    rows = np.rint(rows / np.float32(_DRAWN * _ROW_WEIGHTS // _ALONG_ROWS))
    result = cv2.sepFilter2D(rows, -1, one, column_kernel, borderType=border).astype(np.float64)
    row_sum, column_sum = (float(k.sum(dtype=np.float64)) for k in (row_kernel, column_kernel))
    result *= _ROW_WEIGHTS / (_ALONG_ROWS * row_sum * column_sum)
    return result


def _sources(displacement: np.ndarray, alpha: float, position: np.ndarray, size: int) -> np.ndarray:
    """The row or column that each pixel takes its label from, in [0, size).

    Args:
        displacement: (H, W) float64 in units of ``alpha``, overwritten.
    """
    displacement *= alpha
    displacement += 0.5
    np.floor(displacement, out=displacement)
    displacement += position
    return np.clip(displacement, 0, size - 1, out=displacement).astype(np.intp)


def _around_small_regions(
    mask: np.ndarray, valid: np.ndarray, max_area: int, margin: int
) -> np.ndarray:
    """(H, W) bool, True in the boxes of regions of at most ``max_area`` pixels and around them."""
    regions = MaskObjects(mask, valid, background=None)
    boxes = regions.boxes[regions.areas <= max_area]
    height, width = mask.shape
    top, left = np.maximum(boxes[:, [0, 2]] - margin, 0).T
    bottom, right = np.minimum(boxes[:, [1, 3]] + margin, mask.shape).T
    # Corners of the boxes: summed along rows and columns, in how many boxes a pixel lies.
    depth = np.zeros((height + 1, width + 1), dtype=np.int32)
    for row, column, step in (
        (top, left, 1),
        (bottom, right, 1),
        (top, right, -1),
        (bottom, left, -1),
    ):
        np.add.at(depth, (row, column), step)
    np.cumsum(depth, axis=0, out=depth)
    np.cumsum(depth, axis=1, out=depth)
    return depth[:height, :width] > 0
