from __future__ import annotations

import numpy as np
import pytest

from anl_seg.noise.instance_dependent_noise import (
    InstanceDependentNoise,
    instance_dependent_noise,
)


def picture(seed, shape=(96, 96)):
    """A picture of four quadrants of different colour and contrast."""
    rng = np.random.RandomState(seed)
    image = np.zeros((*shape, 3))
    half, side = shape[0] // 2, shape[1] // 2
    for rows, columns, colour, contrast in (
        (slice(0, half), slice(0, side), (30, 40, 50), 2),
        (slice(0, half), slice(side, None), (220, 200, 210), 2),
        (slice(half, None), slice(0, side), (200, 60, 40), 40),
        (slice(half, None), slice(side, None), (40, 60, 210), 40),
    ):
        image[rows, columns] = colour
        image[rows, columns] += rng.normal(0, contrast, size=image[rows, columns].shape)
    return image.clip(0, 255).astype(np.uint8)


def quadrants(values):
    return [part for half in np.split(values, 2) for part in np.split(half, 2, axis=1)]


@pytest.mark.parametrize("rate", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("strength", [0, 1.5, 5])
def test_the_mean_rate_is_held(make_rng, rate, strength):
    mask = np.random.RandomState(0).randint(0, 5, size=(256, 256)).astype(np.uint8)
    mask[:60] = 255
    noisy = instance_dependent_noise(
        mask,
        make_rng(),
        image=picture(0, (256, 256)),
        rate=rate,
        strength=strength,
        num_classes=5,
    )
    assert (noisy != mask)[60:].mean() == pytest.approx(rate, abs=0.01)


def test_flips_depend_on_the_content(make_rng):
    mask = np.ones((96, 96), dtype=np.uint8)
    shares = {}
    for strength in (0, 1.5):
        flips = np.mean(
            [
                instance_dependent_noise(
                    mask,
                    make_rng(i),
                    image=picture(0),
                    rate=0.3,
                    strength=strength,
                    num_classes=4,
                )
                != mask
                for i in range(10)
            ],
            axis=0,
        )
        shares[strength] = [float(part.mean()) for part in quadrants(flips)]
    assert max(shares[0]) < 1.1 * min(shares[0])
    assert max(shares[1.5]) > 3 * min(shares[1.5])


def test_the_same_content_has_the_same_tendency_in_every_image(make_rng):
    mask = np.ones((96, 96), dtype=np.uint8)
    orders = []
    for seed in range(3):
        flips = [
            instance_dependent_noise(
                mask, make_rng(100 * seed + i), image=picture(seed), rate=0.3, num_classes=4
            )
            != mask
            for i in range(5)
        ]
        orders.append([float(part.mean()) for part in quadrants(np.mean(flips, axis=0))])
    assert np.ptp(orders, axis=0).max() < 0.06
    other = instance_dependent_noise(
        mask, make_rng(), image=picture(0), rate=0.3, num_classes=4, projection_seed=1
    )
    shares = [float(part.mean()) for part in quadrants(other != mask)]
    assert np.abs(np.array(shares) - orders[0]).max() > 0.1


def test_targets_depend_on_content_and_class(make_rng):
    image = picture(0)
    targets = {}
    for label in (0, 1):
        mask = np.full((96, 96), label, dtype=np.uint8)
        noisy = instance_dependent_noise(mask, make_rng(), image=image, rate=1, num_classes=5)
        assert (noisy != label).all()
        targets[label] = [
            np.bincount(part.ravel(), minlength=5) / part.size for part in quadrants(noisy)
        ]
    by_content = max(np.abs(a - b).max() for a in targets[0] for b in targets[0])
    by_class = np.abs(targets[0][0][2:] - targets[1][0][2:]).max()
    assert by_content > 0.2
    assert by_class > 0.1


def test_an_image_of_one_content_has_one_rate(make_rng):
    mask = np.zeros((200, 200), dtype=np.uint8)
    noisy = instance_dependent_noise(
        mask, make_rng(), image=np.full((200, 200), 90, np.uint8), rate=0.3, num_classes=2
    )
    shares = [float(part.mean()) for part in quadrants(noisy)]
    assert shares == pytest.approx([0.3] * 4, abs=0.02)


def test_wrong_parameters():
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 2"):
        InstanceDependentNoise(2)
    with pytest.raises(ValueError, match=r"strength must lie in \[0, 10\], got 11"):
        InstanceDependentNoise(0.2, strength=11)
    with pytest.raises(ValueError, match="projection_seed must be an integer of at least 0"):
        InstanceDependentNoise(0.2, projection_seed=-1)
