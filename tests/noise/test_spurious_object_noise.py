from __future__ import annotations

import json
import math

import numpy as np
import pytest

from anl_seg.noise.object_shapes import object_shapes, save_object_shapes
from anl_seg.noise.spurious_object_noise import SpuriousObjectNoise, spurious_object_noise

SHAPES = [[1, 0.01, 0.5], [2, 0.002, 1.0], [3, 0.03, 0.2]]


@pytest.fixture(scope="module")
def field():
    """(300, 400) uint8: 20 single pixels of class 1 and 20 of class 2 in the top row of class 0."""
    mask = np.zeros((300, 400), dtype=np.uint8)
    mask[0, ::20] = 1
    mask[0, 10::20] = 2
    return mask


def appeared(make_rng, mask, number, **options):
    """The one object that a mask of one pixel at the top left spawns, in its bounding box."""
    noisy = spurious_object_noise(mask, make_rng(number), rate=1, **options)
    new = noisy != mask
    rows, columns = np.nonzero(new)
    box = new[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    (label,) = np.unique(noisy[new])
    return int(label), box, (rows, columns)


@pytest.mark.parametrize("shapes", [None, SHAPES])
@pytest.mark.parametrize("rate", [0.2, 0.5, 1.0])
def test_share_of_objects_that_spawn(make_rng, shapes, rate):
    # Masks of one object: each gets one more or not.
    mask = np.zeros((30, 30), dtype=np.uint8)
    mask[3:5, 3:6] = 1
    noise = SpuriousObjectNoise(rate, shapes=shapes)
    changed = [bool((noise(mask, make_rng(n), num_classes=4) != mask).any()) for n in range(400)]
    assert np.mean(changed) == pytest.approx(rate, abs=0.08)


@pytest.mark.parametrize("shapes", [None, SHAPES])
@pytest.mark.parametrize("number", range(8))
def test_new_objects_cover_valid_background_only(make_rng, shapes, number):
    random = np.random.RandomState(number)
    mask = random.choice([0, 0, 1, 2, 255], size=(7, 9)).repeat(5, axis=0).repeat(6, axis=1)
    mask[:3] = 0
    mask.setflags(write=False)
    noisy = spurious_object_noise(mask, make_rng(number), rate=1, shapes=shapes, num_classes=4)
    changed = noisy != mask
    assert changed.any()
    assert (mask[changed] == 0).all()
    assert set(np.unique(noisy[changed])) <= ({1, 2} if shapes is None else {1, 2, 3})


def test_a_rate_for_each_class_of_the_spawning_object(field, make_rng):
    # Objects of one pixel lend one pixel: the new ones can be counted, but for a few that meet.
    noise = SpuriousObjectNoise(rate=[0, 1, 0])
    count = [(noise(field, make_rng(n), num_classes=3) != field).sum() for n in range(20)]
    assert np.mean(count) == pytest.approx(20, abs=0.2)
    both = SpuriousObjectNoise(rate=[0, 1, 0.5])
    count = [(both(field, make_rng(n), num_classes=3) != field).sum() for n in range(40)]
    assert np.mean(count) == pytest.approx(30, abs=1.5)
    with pytest.raises(ValueError, match=r"rate lists 3 values.* 4 classes"):
        noise(field, make_rng(), num_classes=4)


@pytest.mark.parametrize("shapes", [None, SHAPES])
def test_nested_in_rate(make_rng, shapes):
    mask = np.zeros((120, 160), dtype=np.uint8)
    for row, column in np.ndindex(5, 8):
        mask[row * 24 : row * 24 + 9, column * 20 : column * 20 + 6] = 1 + (row + column) % 2
    rates = [0, 0.1, 0.3, 0.31, 0.7, 1]
    assert len({SpuriousObjectNoise(rate, shapes).digest() for rate in rates}) == 1
    previous = mask
    for rate in rates:
        noisy = spurious_object_noise(mask, make_rng(), rate=rate, shapes=shapes, num_classes=4)
        kept = previous != mask
        assert np.array_equal(noisy[kept], previous[kept])
        assert (noisy != mask).sum() >= kept.sum()
        previous = noisy
        if rate == 0:
            assert np.array_equal(noisy, mask)
    assert (previous != mask).sum() > 200


def test_an_ellipse_has_the_class_area_and_elongation_of_a_row(make_rng):
    mask = np.zeros((300, 400), dtype=np.uint8)
    mask[0, 0] = 1
    count, angles = {1: 0, 2: 0, 3: 0}, []
    for number in range(120):
        label, _, (rows, columns) = appeared(make_rng, mask, number, shapes=SHAPES, num_classes=4)
        count[label] += 1
        if rows.min() > 1 and rows.max() < 299 and columns.min() > 1 and columns.max() < 399:
            new = np.zeros_like(mask)
            new[rows, columns] = label
            ((_, area, elongation),) = object_shapes([new], num_classes=4)
            expected = SHAPES[label - 1]
            assert area == pytest.approx(expected[1], rel=0.03)
            assert elongation == pytest.approx(expected[2], rel=0.05)
            if label == 3:
                x, y = columns - columns.mean(), rows - rows.mean()
                angles.append(0.5 * math.atan2(2 * (x * y).sum(), (x * x - y * y).sum()))
    assert min(count.values()) > 25
    # The angle of the major axis is uniform over the half circle (-pi / 2, pi / 2].
    assert len(angles) > 12
    assert min(np.histogram(angles, bins=3, range=(-math.pi / 2, math.pi / 2))[0]) >= 2


def test_an_ellipse_is_what_its_definition_says(make_rng):
    # One angle, center and row, straight from the four numbers that are drawn.
    mask = np.zeros((90, 70), dtype=np.uint8)
    mask[0, 0] = 1
    for number in range(10):
        _, which, turn, where = make_rng(number).random_sample((1, 4))[0]
        label, area, elongation = SHAPES[int(which * 3)]
        cy, cx = divmod(int(where * (mask.size - 1)) + 1, 70)
        major = math.sqrt(area * mask.size / math.pi / elongation)
        y, x = np.indices(mask.shape)
        along = (x - cx) * math.cos(math.pi * turn) + (y - cy) * math.sin(math.pi * turn)
        across = (y - cy) * math.cos(math.pi * turn) - (x - cx) * math.sin(math.pi * turn)
        inside = (along / major) ** 2 + (across / major / elongation) ** 2 <= 1
        expected = np.where(inside & (mask == 0), label, mask)
        rng = make_rng(number)
        noisy = spurious_object_noise(mask, rng, rate=1, shapes=SHAPES, num_classes=4)
        assert np.array_equal(noisy, expected)
        assert noisy[cy, cx] == label


@pytest.mark.parametrize("row", [[1, 1e-9, 1], [1, 1e-3, 1e-12], [1, 1, 5e-324], [1, 1, 1]])
def test_extreme_ellipses(make_rng, row):
    mask = np.zeros((20, 30), dtype=np.uint8)
    mask[7, 7] = 1
    noisy = spurious_object_noise(mask, make_rng(), rate=1, shapes=[row], num_classes=2)
    # At least the center; an ellipse of the whole image's area covers much of it, but not all.
    count = int((noisy != mask).sum())
    assert 1 <= count < 600
    assert count > 150 or row != [1, 1, 1]
    assert count == 1 or row[1] != 1e-9


def test_a_silhouette_is_mirrored_and_turned_exactly(make_rng):
    shape = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=bool)
    mask = np.zeros((60, 60), dtype=np.uint8)
    mask[:3, :4][shape] = 2
    allowed = {}
    for turned in (np.rot90(p, k) for p in (shape, shape[:, ::-1]) for k in range(4)):
        allowed[(turned.shape, turned.tobytes())] = 0
    assert len(allowed) == 8
    for number in range(400):
        label, box, _ = appeared(make_rng, mask, number, num_classes=3)
        assert label == 2
        if box.sum() == shape.sum():  # otherwise cut off
            allowed[(box.shape, box.tobytes())] += 1
    assert min(allowed.values()) > 20


def test_lenders_are_drawn_uniformly_and_keep_their_class(make_rng):
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[0, 0], mask[0, 5:7], mask[0, 20:23] = 3, 1, 3
    # Only the object of class 1 spawns.
    count = {}
    for number in range(300):
        rng = make_rng(number)
        noisy = spurious_object_noise(mask, rng, rate=[0, 1, 0, 0], num_classes=4)
        new = noisy[noisy != mask]
        count[(int(new[0]), len(new))] = count.get((int(new[0]), len(new)), 0) + 1
    assert min(count[(3, 1)], count[(1, 2)], count[(3, 3)]) > 65
    assert sum(count.values()) - count[(3, 1)] - count[(1, 2)] - count[(3, 3)] < 40


def test_centres_are_uniform_over_the_valid_background(make_rng):
    mask = np.full((4, 6), 255, dtype=np.uint8)
    mask[0, 0] = 1
    free = [(1, 1), (1, 4), (3, 0), (3, 5)]
    for y, x in free:
        mask[y, x] = 0
    count = dict.fromkeys(free, 0)
    for number in range(200):
        noisy = spurious_object_noise(mask, make_rng(number), rate=1, num_classes=2)
        (index,) = np.argwhere(noisy != mask)
        count[tuple(index.tolist())] += 1
    assert min(count.values()) > 30


def test_a_silhouette_is_centred_on_the_pixel_drawn(make_rng):
    mask = np.zeros((50, 50), dtype=np.uint8)
    mask[:3, :7] = 1
    places, whole = np.argwhere(mask == 0), 0
    for number in range(20):
        center = places[int(make_rng(number).random_sample((1, 4))[0, 3] * len(places))]
        _, box, (rows, columns) = appeared(make_rng, mask, number, num_classes=2)
        if box.sum() == 21:  # otherwise cut off
            whole += 1
            assert [np.mean(rows), np.mean(columns)] == center.tolist()
    assert whole > 10


def test_a_ring_leaves_a_trace_wherever_it_lands(make_rng):
    # The middle of its box is not a pixel of it; what lies on the background pixel is.
    mask = np.full((40, 40), 255, dtype=np.uint8)
    mask[2:13, 2:13] = 1
    mask[3:12, 3:12] = 255
    mask[30, 30] = 0
    for number in range(20):
        noisy = spurious_object_noise(mask, make_rng(number), rate=1, num_classes=2)
        assert noisy[30, 30] == 1


def test_without_background_any_valid_pixel_may_be_covered(make_rng):
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[:, 10:] = 1
    mask[5, 5] = 255
    seen = set()
    for number in range(30):
        noise = SpuriousObjectNoise(1, shapes=[[0, 0.2, 1], [2, 0.2, 1]], background=None)
        noisy = noise(mask, make_rng(number), num_classes=3)
        assert noisy[5, 5] == 255
        seen |= set(zip(mask[noisy != mask].tolist(), noisy[noisy != mask].tolist()))
    assert seen == {(0, 2), (1, 0), (1, 2)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (0, 5), (5, 0)])
@pytest.mark.parametrize("shapes", [None, SHAPES])
def test_no_object_or_no_room_leaves_the_mask(make_rng, shape, shapes):
    for label in (0, 2, 255):
        mask = np.full(shape, label, dtype=np.uint16)
        mask.setflags(write=False)
        noisy = spurious_object_noise(mask, make_rng(), rate=1, shapes=shapes, num_classes=4)
        assert np.array_equal(noisy, mask)
        assert noisy.dtype == mask.dtype
        assert not np.shares_memory(noisy, mask)


@pytest.mark.parametrize("shapes", [None, SHAPES])
def test_rows_and_other_labels_of_ignored_pixels(make_rng, shapes):
    mask = np.array([[1, 0, 0, -1, 0, 0, 0, 2]], dtype=np.int64)
    for number in range(20):
        rng = make_rng(number)
        noisy = spurious_object_noise(
            mask, rng, rate=1, shapes=shapes, num_classes=4, ignore_index=-1
        )
        assert (noisy[mask != 0] == mask[mask != 0]).all()
        assert (noisy != mask).any()
        assert noisy.min(initial=0, where=mask != -1) >= 0
    generator = np.random.Generator(np.random.PCG64(1))
    assert SpuriousObjectNoise(1, shapes)(np.abs(mask), generator, num_classes=4).shape == (1, 8)


def test_the_seed_depends_on_the_numbers_and_not_on_the_path(tmp_path):
    save_object_shapes(tmp_path / "shapes.json", SHAPES)
    noise = SpuriousObjectNoise(0.3, shapes=tmp_path / "shapes.json")
    (tmp_path / "shapes.json").unlink()
    same = SpuriousObjectNoise(0.3, shapes=np.array(SHAPES))
    assert noise == same
    assert noise.digest() == same.digest() != SpuriousObjectNoise(0.3).digest()
    parameters = json.loads(json.dumps(noise.parameters()))
    assert parameters == {"rate": 0.3, "shapes": SHAPES, "background": 0}
    assert SpuriousObjectNoise(**parameters) == noise
    assert SpuriousObjectNoise(0.1).parameters()["shapes"] is None


def test_wrong_parameters(make_rng):
    mask = np.zeros((3, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 1\.2"):
        SpuriousObjectNoise(1.2)
    with pytest.raises(ValueError, match="row 1 of object shapes: area"):
        SpuriousObjectNoise(0.1, shapes=[SHAPES[0], [1, 2, 1]])
    with pytest.raises(ValueError, match=r"row 1 .*: label 3 is the background"):
        SpuriousObjectNoise(0.1, shapes=[SHAPES[0], SHAPES[2]], background=3)
    with pytest.raises(ValueError, match=r"row 2 .*: label must lie in \[0, 3\), got 3"):
        SpuriousObjectNoise(0.1, shapes=SHAPES)(mask, make_rng(), num_classes=3)
