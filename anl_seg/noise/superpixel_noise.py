"""Labels without fine outlines: one for each superpixel of the image."""

from __future__ import annotations

import numpy as np

from anl_seg._checks import check_integer

from .base import MaskContext, MaskNoise, as_function, register_noise
from .image_features import check_image
from .sample_rng import Rng
from .superpixels import superpixels

# A table of so many votes is small, whatever the image.
_SMALL_TABLE = 2**20


@register_noise(example=dict(n_segments=120), no_noise=dict(n_segments=10**6))
class SuperpixelNoise(MaskNoise):
    """Give each valid pixel the class that most valid pixels of its superpixel have.

    As if somebody had labeled the image by clicking on its superpixels (:func:`superpixels`). The
    superpixels depend on the image alone; where they cross an object, its outline moves to an edge
    of the image beside it, and what is smaller than half a superpixel may vanish. Fewer superpixels
    are the stronger noise; as many as there are pixels change nothing.

    Args:
        n_segments: about how many superpixels the image is divided into, at least 1; the same for
            every image, whatever its size.
        compactness: in [0, 255]: changes of color of fewer gray levels from pixel to pixel count as
            equal. At 255 superpixels are about the cells of a grid; at 0 they follow every
            shade, and are ragged where there is no edge.

    Random numbers: draws one uniform number per superpixel. It chooses among classes that have
    equally many pixels; nothing else is random.

    Image: (H, W) or (H, W, channels) with one channel or three (the first three of more); uint8
    or floats in [0, 255].

    Raises:
        ValueError: there is no image, it does not fit the mask, or a parameter or a label is out of
            range.

    Source: after the superpixels that Li et al., "Superpixel-Guided Iterative Learning from Noisy
    Labels", MICCAI 2021, use to clean labels; here they make them coarse. The superpixels are after
    Machairas et al., "Waterpixels", IEEE TIP 2015.
    """

    strength_name = "n_segments"
    less_is_stronger = True
    needs_image = True

    def __init__(self, n_segments: int, compactness: int = 2) -> None:
        self.n_segments = check_integer("n_segments", n_segments, low=1)
        self.compactness = _check_compactness(compactness)

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        num_classes = context.num_classes
        image = check_image(context.image, mask, needed_by="SuperpixelNoise")
        noisy = mask.copy()
        if mask.size == 0:
            return noisy
        segments = superpixels(image, self.n_segments, self.compactness)
        count = int(segments.max()) + 1
        draw = rng.random(count)
        votes = segments[valid].astype(np.int64) * num_classes + mask[valid].astype(np.int64)
        # A table of all votes, unless most of it would be empty.
        winners = (
            _winners if count * num_classes <= max(votes.size, _SMALL_TABLE) else _sparse_winners
        )
        noisy[valid] = winners(votes, draw, num_classes)[segments[valid]]
        return noisy


superpixel_noise = as_function(SuperpixelNoise)


def _check_compactness(value: object) -> int:
    compactness = check_integer("compactness", value, low=0)
    if compactness > 255:
        raise ValueError(f"compactness must be an integer in [0, 255], got {value!r}")
    return compactness


def _winners(votes: np.ndarray, draw: np.ndarray, num_classes: int) -> np.ndarray:
    """The most frequent class of each superpixel, a draw in [0, 1) choosing among equal ones.

    Args:
        votes: superpixel * num_classes + class, of each valid pixel.
        draw: of each superpixel.
    """
    votes = np.bincount(votes, minlength=len(draw) * num_classes).reshape(-1, num_classes)
    most_frequent = votes == votes.max(axis=1, keepdims=True)
    position = np.cumsum(most_frequent, axis=1)
    tied = position[:, -1]
    # The minimum catches a product that rounds up to the number of classes.
    chosen = np.minimum((draw * tied).astype(np.int64), tied - 1)
    return (position > chosen[:, None]).argmax(axis=1)


def _sparse_winners(votes: np.ndarray, draw: np.ndarray, num_classes: int) -> np.ndarray:
    """:func:`_winners`, in memory that goes with the votes; 0 where there are none."""
    winners = np.zeros(len(draw), dtype=np.int64)
    candidates, count = np.unique(votes, return_counts=True)
    segments, first = np.unique(candidates // num_classes, return_index=True)
    if not len(segments):
        return winners
    rows = np.repeat(np.arange(len(segments)), np.diff(np.append(first, len(candidates))))
    equal = count == np.maximum.reduceat(count, first)[rows]
    candidates, rows = candidates[equal], rows[equal]
    tied = np.bincount(rows)
    chosen = np.minimum((draw[segments] * tied).astype(np.int64), tied - 1)
    winners[segments] = candidates[np.cumsum(tied) - tied + chosen] % num_classes
    return winners
