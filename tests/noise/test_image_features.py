from __future__ import annotations

import math

import numpy as np
import pytest

from anl_seg.noise.image_features import check_image, local_features

MASK = np.zeros((3, 4), dtype=np.uint8)


def slow_features(image):
    """The four features of each pixel by whole-number arithmetic, one window after the other."""
    padded = np.pad(image.astype(int), ((2, 2), (2, 2), (0, 0)), mode="reflect")
    result = np.zeros((4, *image.shape[:2]), dtype=int)
    for y, x in np.ndindex(image.shape[:2]):
        window = padded[y : y + 5, x : x + 5].reshape(25, 3)
        total = window.sum(axis=1)
        blue, green, red = window.sum(axis=0).tolist()
        variance = 25 * int((total**2).sum()) - int(total.sum()) ** 2
        # floor(q + 1/2) is (floor(2 q) + 1) // 2.
        result[:, y, x] = (
            (2 * (blue + green + red) // 75 + 1) // 2 - 128,
            (math.isqrt(64 * variance) // 75 + 1) // 2,
            (4 * (red - blue) // 25 + 1) // 2,
            (2 * (2 * green - red - blue) // 25 + 1) // 2,
        )
    return result


@pytest.mark.parametrize("shape", [(9, 14), (3, 4), (1, 7), (6, 1), (1, 1)])
def test_slow_oracle(make_rng, shape):
    image = np.floor(make_rng().random((*shape, 3)) * 256).astype(np.uint8)
    image[: shape[0] // 2] //= 8
    assert np.array_equal(np.stack(local_features(image)), slow_features(image))


def test_extremes():
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    colors = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    expected = [(-128, 0, 0, 0), (127, 0, 0, 0), (-43, 0, -510, -255), (-43, 0, 0, 510)]
    for color, values in zip(colors, [*expected, (-43, 0, 510, -255)]):
        image = np.empty((8, 8, 3), dtype=np.uint8)
        image[:] = color
        assert [set(f.ravel().tolist()) for f in local_features(image)] == [{v} for v in values]
    contrast = local_features(np.repeat(board[..., None], 3, axis=2).astype(np.uint8)).contrast
    assert set(contrast.ravel().tolist()) == {510}


def test_every_kind_of_image_becomes_three_channels_of_bytes(make_rng):
    image = np.floor(make_rng().random((3, 4, 3)) * 256).astype(np.uint8)
    four = np.concatenate([image, image[..., :1]], axis=2)
    for same in (image, image.astype(np.float32) + 0.4, image - 0.5, four, image[::-1][::-1]):
        same = np.clip(same, 0, 255)
        same.setflags(write=False)
        result = check_image(same, MASK, "A")
        assert result.dtype == np.uint8
        assert result.flags.c_contiguous
        assert np.array_equal(result, image)
    grey = image[..., 1]
    for same in (grey, grey[..., None], grey.astype(float)):
        assert np.array_equal(check_image(same, MASK, "A"), np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "SomeNoise looks at the image, but got none: put CorruptMask behind LoadImage"),
        ([[0]], "numpy array, got list"),
        (np.zeros((4, 3, 3), np.uint8), r"the mask's size \(3, 4\), got \(4, 3, 3\)"),
        (np.zeros((3, 3, 4), np.uint8), r"got \(3, 3, 4\)"),
        (np.zeros(12, np.uint8), r"got \(12,\)"),
        (np.zeros((1, 3, 4, 3), np.uint8), r"got \(1, 3, 4, 3\)"),
        (np.zeros((3, 4, 2), np.uint8), "at least three, got 2"),
        (np.zeros((3, 4, 0), np.uint8), "at least three, got 0"),
        (np.zeros((3, 4, 3), np.uint16), "got dtype uint16"),
        (np.zeros((3, 4), bool), "got dtype bool"),
        (
            np.full((3, 4), -0.5),
            r"\[0, 255\], found -0\.5 to -0\.5.*before the image is normalised",
        ),
        (np.full((3, 4), 255.5), r"found 255\.5"),
        (np.full((3, 4), np.nan), "found nan"),
    ],
)
def test_wrong_image(image, message):
    with pytest.raises(ValueError, match=message):
        check_image(image, MASK, "SomeNoise")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_floats_from_0_to_1_are_the_same_image_as_bytes(make_rng, dtype, channels):
    mask = np.zeros((32, 24), np.uint8)
    image = np.floor(make_rng().random((32, 24, *channels)) * 256).astype(np.uint8)
    image[0, 0], image[0, 1] = 0, 255
    as_floats = (image / 255).astype(dtype)
    expected = check_image(image, mask, "A")
    assert expected.max() == 255
    assert np.array_equal(check_image(as_floats, mask, "A"), expected)
    assert np.array_equal(check_image(as_floats * dtype(1.0005), mask, "A")[0, 1], expected[0, 1])
    black = np.zeros(image.shape, dtype)
    assert not check_image(black, mask, "A").any()


def test_images_of_unknown_brightness_are_named(make_rng):
    for image, text in (
        (np.full((3, 4, 3), 4095, np.uint16), r"dtype uint16: how bright.*as 8 bits, or scale"),
        (np.ones((3, 4), bool), "dtype bool"),
        (np.full((3, 4, 3), np.nan), r"\[0, 1\] or \[0, 255\], found nan"),
        (np.full((3, 4, 3), np.inf), "found inf"),
        (make_rng().random((3, 4, 3)) - 0.5, "before the image is normalised"),
    ):
        with pytest.raises(ValueError, match=text):
            check_image(image, MASK, "A")
