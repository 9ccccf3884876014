"""The Markov boundary process of Yao et al., ICLR 2023, written from its definition: slow, obvious.

Independent of ``anl_seg``: distances by SciPy's exact transform, one pixel at a time, binary masks.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage


def markov_boundary(mask, rng, *, steps, theta1, theta2, theta3):
    """A noisy version of a binary mask.

    Args:
        mask: (H, W) of 0 and 1.
        rng: numpy Generator.

    Returns:
        (H, W) bool.
    """
    inside = np.array(mask, dtype=bool)
    for _ in range(steps):
        grows = rng.random() < theta1
        # The side that gives pixels to the other one, and those at distance 1 from that other.
        giver = ~inside if grows else inside
        if giver.all() or not giver.any():
            continue
        ring = giver & (ndimage.distance_transform_edt(giver) == 1)
        for row, column in np.argwhere(ring):
            if rng.random() < theta2:
                inside[row, column] = grows
    flips = rng.random(inside.shape) < theta3
    return smooth(np.where(flips, ~inside, inside))


def smooth(inside):
    """Gaussian blur, 5 x 5 pixels with sigma 2, mirrored at the edge, and a threshold at one half."""
    weights = [math.exp(-(offset**2) / (2 * 2.0**2)) for offset in range(-2, 3)]
    weights = np.array(weights) / sum(weights)
    blurred = inside.astype(np.float64)
    for axis in (0, 1):
        blurred = ndimage.correlate1d(blurred, weights, axis=axis, mode="mirror")
    return blurred > 0.5
