from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from anl_seg.noise.superpixel_noise import SuperpixelNoise, superpixel_noise
from anl_seg.noise.superpixels import superpixels


@pytest.fixture(scope="module")
def photo():
    """(64, 96, 3) uint8, blobs of color."""
    random = np.random.RandomState(5)
    coarse = random.random(size=(8, 12, 3)) * 255
    return np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def labels():
    """(64, 96) uint16, 3 x 3 squares of six classes, some ignored."""
    random = np.random.RandomState(6)
    mask = np.kron(np.floor(random.random(size=(22, 32)) * 6), np.ones((3, 3)))[:64, :96]
    mask[random.random(size=mask.shape) < 0.2] = 255
    mask[:20, :20] = 255
    return mask.astype(np.uint16)


def test_slow_oracle(photo, labels, make_rng):
    segments = superpixels(photo, 40)
    draw = make_rng().random(segments.max() + 1)
    expected = labels.copy()
    for number, chosen in enumerate(draw):
        pixels = (segments == number) & (labels != 255)
        votes = Counter(labels[pixels].tolist())
        best = sorted(label for label in votes if votes[label] == max(votes.values()))
        if best:
            expected[pixels] = best[int(chosen * len(best))]
    noisy = superpixel_noise(labels, make_rng(), image=photo, n_segments=40, num_classes=6)
    assert np.array_equal(noisy, expected)
    assert (noisy != labels).mean() > 0.2


def test_ties_are_broken_by_the_generator(make_rng):
    # One superpixel, three classes with two pixels each and a fourth with one.
    mask = np.array([[4, 4, 1, 1, 2, 2, 3, 255, 255]], dtype=np.uint8)
    image = np.zeros((1, 9, 3), dtype=np.uint8)
    noise = SuperpixelNoise(1)
    seen = Counter()
    for seed in range(300):
        noisy = noise(mask, make_rng(seed), num_classes=5, image=image)
        assert (noisy[0, 7:] == 255).all()
        assert len(set(noisy[0, :7].tolist())) == 1
        seen[int(noisy[0, 0])] += 1
    assert set(seen) == {1, 2, 4}
    assert min(seen.values()) > 70


class Draws(np.random.RandomState):
    """A generator whose uniform numbers are all just below 1."""

    def random(self, size=None):
        return np.full(size, np.nextafter(1, 0))


def test_the_largest_draw_takes_the_last_of_the_tied():
    mask = np.array([[0, 1, 2]], dtype=np.uint8)
    image = np.zeros((1, 3), dtype=np.uint8)
    noisy = superpixel_noise(mask, Draws(0), image=image, n_segments=1, num_classes=9)
    assert (noisy == 2).all()


def test_ignored_pixels_do_not_vote(make_rng):
    mask = np.array([[255, 255, 255, 255, 1, 1, 0]], dtype=np.uint8)
    image = np.zeros((1, 7), dtype=np.uint8)
    noisy = superpixel_noise(mask, make_rng(), image=image, n_segments=1, num_classes=2)
    assert noisy.tolist() == [[255, 255, 255, 255, 1, 1, 1]]


def test_fewer_superpixels_are_the_stronger_noise(photo, labels, make_rng):
    changed = [
        (SuperpixelNoise(n)(labels, make_rng(), num_classes=6, image=photo) != labels).mean()
        for n in (1, 40, 400, 2000, 10**6)
    ]
    assert changed == sorted(changed, reverse=True)
    assert changed[0] > 0.5
    assert changed[-1] == 0


def test_the_outline_moves_to_the_edge_of_the_image(make_rng):
    # The annotator drew a square three pixels beside the bright one.
    image = np.zeros((40, 40), dtype=np.uint8)
    image[12:28, 12:28] = 200
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[12:28, 15:31] = 1
    noisy = superpixel_noise(mask, make_rng(), image=image, n_segments=16, num_classes=2)
    # The median takes the corners off.
    assert ((noisy == 1) != (image == 200)).sum() <= 4


def test_compactness_matters(photo, labels, make_rng):
    results = [
        superpixel_noise(
            labels, make_rng(), image=photo, n_segments=60, compactness=c, num_classes=6
        )
        for c in (0, 255)
    ]
    assert not np.array_equal(*results)
    noise = SuperpixelNoise(60, compactness=255)
    again = noise(labels, make_rng(), num_classes=6, image=photo)
    assert np.array_equal(again, results[1])
    assert noise.config() == dict(type="SuperpixelNoise", n_segments=60, compactness=255)


def test_it_asks_for_the_image(make_rng):
    noise = SuperpixelNoise(5)
    assert noise.needs_image
    mask = np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"SuperpixelNoise looks at the image.*LoadImageFromFile"):
        noise(mask, make_rng(), num_classes=2)
    with pytest.raises(ValueError, match=r"SuperpixelNoise .*the mask's size \(4, 4\), got"):
        noise(mask, make_rng(), num_classes=2, image=np.zeros((4, 5), np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (0, 5), (3, 2)])
def test_small_masks(make_rng, shape):
    image = np.zeros((*shape, 3), dtype=np.uint8)
    for label in (0, 1, 255):
        mask = np.full(shape, label, dtype=np.int64)
        noisy = SuperpixelNoise(3)(mask, make_rng(), num_classes=2, image=image)
        assert np.array_equal(noisy, mask)
        assert noisy.dtype == np.int64


@pytest.mark.parametrize("n_segments", [0, -1, 2.5, True, None])
def test_wrong_number_of_superpixels(n_segments):
    with pytest.raises(ValueError, match=r"n_segments must be an integer of at least 1"):
        SuperpixelNoise(n_segments)


@pytest.mark.parametrize("compactness", [-1, 256, 2.5, None])
def test_wrong_compactness(compactness):
    with pytest.raises(ValueError, match=r"compactness must be an integer"):
        SuperpixelNoise(5, compactness)
