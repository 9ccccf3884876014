"""Noise that depends on what the image shows."""

from __future__ import annotations

import functools

import numpy as np

from anl_seg._checks import (
    check_integer,
    check_number,
    check_paired_classes,
    check_per_class,
    check_rate,
    value_per_class,
)

from .base import MaskContext, MaskNoise, as_function, register_noise
from .image_features import LocalFeatures, check_image, local_features
from .sample_rng import Rng

_MAX_STRENGTH = 100.0

# The weights of features, drawn from floats, are rounded to whole 256ths. Features are whole 64ths.
_WEIGHT_UNIT = 256
_FEATURE_UNIT = 64

# A score is sorted into bins of 1/64 from -8 to 8, wide enough for any photograph; what lies beyond
# counts to the outermost bin.
_BINS = 1024
_BINS_PER_UNIT = 64

# A bias is a multiple of 1/4096, which moves no probability by more than 1/16384, and a
# probability is a multiple of 2 ** -30: the exponential function, whose last bit differs between
# machines, is rounded before anything is compared.
_BIAS_UNIT = 4096
_ONE = 2**30
# Logits beyond this, where a probability rounds to 0 or 1, are as good as infinite.
_MAX_LOGIT = 40.0

# For the targets a feature is rounded to halves: levels 0 to 8 are -2 to 2, or 0 to 4 where the
# feature cannot be negative.
_LEVELS = 9
_CELLS = _LEVELS ** len(LocalFeatures._fields)
_LOWEST_LEVEL = (-4, 0, -4, -4)  # of brightness, contrast, warmth, greenness
# What a draw in [0, 1) and the bounds it falls between are multiplied with.
_DRAW_BITS = 32
# Numbers in one table of bounds.
_TABLE = 2**22


@register_noise(example=dict(rate=0.4), no_noise=dict(rate=0))
class InstanceDependentNoise(MaskNoise):
    """Flip pixels with a probability, and to classes, that depend on the image around them.

    Four features f describe the 5 x 5 pixels around a pixel: brightness, contrast, warmth and
    greenness, in fixed units (:class:`LocalFeatures`). Two random projections, drawn once from
    ``projection_seed`` and so the same for all images of a data set, say what they do:

    - The score of a pixel is s = u . f; (brightness, contrast) and (warmth, greenness) of u are unit
      vectors in random directions. The pixel flips with probability sigmoid(b + strength s). The
      bias b is found for each image so that the mean over its valid pixels is ``rate`` to 1e-4; s
      is cut to [-8, 8].
    - A flipped pixel of class y goes to class k other than y with a probability proportional to
      exp(strength f . W[y, k]), W of independent standard normal numbers, f rounded to halves and
      cut to [-2, 2] (contrast to [0, 4]).

    So places that look alike have the same targets in every image, and within an image the same
    probability to flip. At strength 0, and in an image without structure at any strength, all
    pixels flip with the same probability; at strength 0 to all classes alike, as in
    :func:`symmetric_noise`.

    Args:
        rate: mean probability of a flip in [0, 1], of the valid pixels of the image. Or a list with
            one for each class: of the valid pixels of that class in the image, each class with a
            bias of its own.
        strength: in [0, 100], how much depends on the image; the inverse of the softmax's
            temperature.
        projection_seed: at least 0, for u and W. A parameter of the noise, not of the sample.

    Random numbers: draws two uniform numbers per pixel, ignored pixels included: all for flips,
    then all for targets.

    Image: (H, W) or (H, W, channels) with one channel or three (blue, green, red; the first three
    of more); uint8 or floats in [0, 255]. One channel is gray: its warmth and greenness are 0.

    Raises:
        ValueError: there is no image, it does not fit the mask, or a parameter or a label is out of
            range.

    Source: adapted from Xia et al., "Part-dependent Label Noise", NeurIPS 2020, where whole images
    flip: there the probability of each is drawn at random about the rate, and its content decides on
    the target by a random projection per class.
    """

    strength_name = "rate"
    not_strengths = ("background", "projection_seed")
    needs_image = True
    # A pixel that flips at one rate flips to the same class at every higher one.
    nested_in = ("rate",)

    def __init__(
        self, rate: float | list[float], strength: float = 1.0, projection_seed: int = 0
    ) -> None:
        self.rate = check_per_class("rate", rate, check_rate)
        self.strength = check_number("strength", strength, high=_MAX_STRENGTH)
        self.projection_seed = check_integer("projection_seed", projection_seed, low=0)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        num_classes = check_paired_classes(context.num_classes, "InstanceDependentNoise")
        rates = np.array(value_per_class("rate", self.rate, num_classes))
        image = check_image(context.image, mask, needed_by="InstanceDependentNoise")
        flip_draw = rng.random(mask.shape)
        target_draw = rng.random(mask.shape)
        noisy = mask.copy()
        if mask.size == 0:
            return noisy
        features = local_features(image)
        score_weights, target_weights = _projections(self.projection_seed, num_classes)
        bins = _score_bins(features, score_weights)
        if isinstance(self.rate, list):
            # The bins of each class are a row of their own.
            bins += np.where(valid, mask, 0).astype(np.int32) * _BINS
        else:
            rates = rates[:1]
        counts = np.bincount(bins[valid], minlength=len(rates) * _BINS).reshape(len(rates), _BINS)
        probability = flip_probabilities(counts, rates, self.strength)
        flip = np.flatnonzero(valid & (flip_draw < np.take(probability, bins)))
        targets = _targets(
            np.take(mask, flip).astype(np.int64),
            _cells(features, flip),
            np.take(target_draw, flip),
            self.strength * target_weights,
        )
        np.put(noisy, flip, targets)
        return noisy


instance_dependent_noise = as_function(InstanceDependentNoise)


@functools.lru_cache(maxsize=8)
def _projections(projection_seed: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights of the score, (4,) int32 in 256ths, and those of the targets, (C, 4, C) float64."""
    rng = np.random.RandomState(np.random.PCG64(projection_seed))
    pairs = rng.standard_normal((2, 2))
    pairs /= np.sqrt((pairs**2).sum(axis=1, keepdims=True))
    score = np.rint(pairs.reshape(-1) * _WEIGHT_UNIT).astype(np.int32)
    target = rng.standard_normal((num_classes, len(LocalFeatures._fields), num_classes))
    target = np.rint(target * _WEIGHT_UNIT) / _WEIGHT_UNIT
    score.setflags(write=False)
    target.setflags(write=False)
    return score, target


def _score_bins(features: LocalFeatures, weights: np.ndarray) -> np.ndarray:
    """(H, W) int32, the bin of each pixel's score."""
    score = np.zeros(features[0].shape, dtype=np.int32)
    for feature, weight in zip(features, weights.tolist()):
        score += feature * np.int32(weight)
    score //= _WEIGHT_UNIT * _FEATURE_UNIT // _BINS_PER_UNIT
    score += _BINS // 2
    return np.clip(score, 0, _BINS - 1, out=score)


def flip_probabilities(counts: np.ndarray, rates: np.ndarray, strength: float) -> np.ndarray:
    """The probability of a flip in each bin of the score, with the mean held.

    Args:
        counts: (G, bins) how many pixels of a group have a score in the bin.
        rates: (G,) the mean probability over the pixels of each group, in [0, 1].
        strength: how much the logit of the probability grows with the score.

    Returns:
        (G, bins) float64, multiples of 2 ** -30. The mean over a group is that of its rate to 1e-4;
        at the rates 0 and 1 every entry is 0 or 1.
    """
    middle = (np.arange(_BINS) + 0.5 - _BINS // 2) / _BINS_PER_UNIT
    wanted = np.rint(rates * _ONE).astype(np.int64) * counts.sum(axis=1)

    def probabilities(bias: np.ndarray) -> np.ndarray:
        logit = np.add.outer(bias / _BIAS_UNIT, strength * middle)
        np.clip(logit, -_MAX_LOGIT, _MAX_LOGIT, out=logit)
        return np.rint(_ONE / (1 + np.exp(-logit))).astype(np.int64)

    # The lowest bias with at least the wanted mean lies in (low, high].
    reach = int(_BIAS_UNIT * (strength * -middle[0] + _MAX_LOGIT)) + 1
    low, high = np.full(len(rates), -reach), np.full(len(rates), reach)
    while np.any(high - low > 1):
        bias = (low + high) // 2
        enough = (probabilities(bias) * counts).sum(axis=1) >= wanted
        high = np.where(enough, bias, high)
        low = np.where(enough, low, bias)
    result = probabilities(high)
    result[rates == 0] = 0
    result[rates == 1] = _ONE
    return result / _ONE


def _cells(features: LocalFeatures, pixels: np.ndarray) -> np.ndarray:
    """The number of the cell of rounded features, below ``_CELLS``, for pixels in reading order."""
    cell = np.zeros(len(pixels), dtype=np.int64)
    step = _FEATURE_UNIT // 2
    for feature, lowest in zip(features, _LOWEST_LEVEL):
        level = (np.take(feature, pixels) + step // 2) // step - lowest
        cell *= _LEVELS
        cell += np.clip(level, 0, _LEVELS - 1)
    return cell


def _features_of_cells(cells: np.ndarray) -> list[np.ndarray]:
    """The four rounded features of each cell."""
    digits = []
    for lowest in reversed(_LOWEST_LEVEL):
        digits.append((cells % _LEVELS + lowest) / 2)
        cells = cells // _LEVELS
    return digits[::-1]


def _targets(
    labels: np.ndarray, cells: np.ndarray, draw: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """A class other than its own for each of N pixels.

    Args:
        labels: (N,) the pixels' classes.
        cells: (N,) their cells.
        draw: (N,) in [0, 1).
        weights: (C, 4, C), what a feature adds to the logit of a target, by true class.
    """
    num_classes = len(weights)
    # One row of bounds for each pair of class and cell that occurs.
    pair = labels * _CELLS + cells
    occurs = np.bincount(pair, minlength=num_classes * _CELLS) > 0
    pairs = np.flatnonzero(occurs)
    row = (np.cumsum(occurs) - 1)[pair]
    step = max(_TABLE // num_classes, 1)
    if len(pairs) <= step:
        return _drawn(pairs, row, draw, weights)
    # Several tables, one after the other, each for the pixels that need it.
    targets = np.empty(len(row), dtype=np.int64)
    order = np.argsort(row, kind="stable")
    for first in range(0, len(pairs), step):
        block = pairs[first : first + step]
        start, stop = np.searchsorted(row, [first, first + len(block)], sorter=order)
        own = order[start:stop]
        targets[own] = _drawn(block, row[own] - first, draw[own], weights)
    return targets


def _drawn(pairs: np.ndarray, row: np.ndarray, draw: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A class for each of N pixels, from the table of its pair of class and cell.

    Args:
        pairs: (P,) class * _CELLS + cell.
        row: (N,) which of the pairs a pixel has.
        draw: (N,) in [0, 1).
        weights: (C, 4, C).
    """
    num_classes = len(weights)
    label = pairs // _CELLS
    logit = np.zeros((len(pairs), num_classes))
    for position, feature in enumerate(_features_of_cells(pairs % _CELLS)):
        logit += feature[:, None] * weights[label, position]
    logit[np.arange(len(pairs)), label] = -np.inf
    logit -= logit.max(axis=1, keepdims=True)
    bounds = np.cumsum(np.exp(logit), axis=1)
    bounds = np.rint(bounds / bounds[:, -1:] * 2.0**_DRAW_BITS).astype(np.int64)
    # All rows in one ascending list: bound k of row r is (r << bits) + bound. A draw falls to class
    # k if bound k - 1 <= draw < bound k, which never holds for the pixel's own class.
    bounds += np.arange(len(pairs), dtype=np.int64)[:, None] << _DRAW_BITS
    wanted = (row << _DRAW_BITS) + (draw * 2.0**_DRAW_BITS).astype(np.int64)
    return np.searchsorted(bounds.reshape(-1), wanted, side="right") - row * num_classes
