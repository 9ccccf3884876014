from __future__ import annotations

import json

import numpy as np
import pytest

from anl_seg.noise.class_swap_noise import ClassSwapNoise, class_swap_noise


def grid(labels, size=6):
    """One square object for each label, apart from each other on class 0."""
    labels = np.asarray(labels)
    mask = np.zeros((labels.shape[0] * size, labels.shape[1] * size), dtype=np.uint8)
    for row, column in np.ndindex(*labels.shape):
        top, left = row * size + 1, column * size + 1
        mask[top : top + size - 2, left : left + size - 2] = labels[row, column]
    return mask


def labels_of(mask, size=6):
    """The labels of the objects of a grid; each must have kept its shape and one class."""
    middle = mask[size // 2 :: size, size // 2 :: size]
    assert np.array_equal(mask, grid(middle, size))
    return middle


@pytest.fixture(scope="module")
def many():
    """3000 objects: 1000 each of classes 1, 2 and 3, mixed."""
    return grid(np.arange(3000).reshape(50, 60) % 3 + 1)


@pytest.mark.parametrize("rate", [0.25, 0.6, 1.0])
def test_share_of_wrong_objects_and_uniform_targets(many, make_rng, rate):
    clean = labels_of(many)
    noisy = labels_of(class_swap_noise(many, make_rng(), rate=rate, num_classes=5))
    for label in (1, 2, 3):
        found = np.bincount(noisy[clean == label], minlength=5)
        assert found[label] == pytest.approx(1000 * (1 - rate), abs=50)
        others = [k for k in (1, 2, 3, 4) if k != label]
        assert found[others] == pytest.approx([1000 * rate / 3] * 3, abs=60)
        assert found[0] == 0


def test_may_keep_changes_a_share_of_k_minus_1_over_k(many, make_rng):
    clean = labels_of(many)
    noise = ClassSwapNoise(rate=0.6, may_keep=True)
    noisy = labels_of(noise(many, make_rng(), num_classes=5))
    assert (noisy != clean).mean() == pytest.approx(0.6 * 3 / 4, abs=0.03)
    drawn = np.bincount(noisy[clean == 2], minlength=5)
    assert drawn == pytest.approx([0, 150, 550, 150, 150], abs=50)


def test_a_rate_for_each_class(many, make_rng):
    clean = labels_of(many)
    noise = ClassSwapNoise(rate=[1, 0, 0.5, 1])
    noisy = labels_of(noise(many, make_rng(), num_classes=4))
    assert (noisy[clean == 1] == 1).all()
    assert (noisy[clean == 2] != 2).mean() == pytest.approx(0.5, abs=0.06)
    assert (noisy[clean == 3] != 3).all()
    with pytest.raises(ValueError, match=r"rate lists 4 values.* 5 classes"):
        noise(many, make_rng(), num_classes=5)


def test_a_matrix_gives_the_distribution_of_each_class(many, make_rng):
    clean = labels_of(many)
    matrix = [[0, 1, 0, 0], [0, 0.5, 0.5, 0], [0.2, 0.3, 0.1, 0.4], [0, 0, 0, 1]]
    noisy = labels_of(class_swap_noise(many, make_rng(), matrix=matrix, num_classes=4))
    for label in (1, 2, 3):
        found = np.bincount(noisy[clean == label], minlength=4) / 1000
        assert found == pytest.approx(matrix[label], abs=0.05)
        assert (found[np.array(matrix[label]) == 0] == 0).all()


def test_the_background_is_another_class_too(make_rng):
    # Background 2: the regions of classes 0, 1 and 3 are objects and the only targets.
    mask = np.full((9, 9), 2, dtype=np.int64)
    mask[:4] = 0
    mask[5:, :4] = 3
    found = set()
    for number in range(40):
        noisy = class_swap_noise(mask, make_rng(number), rate=1, background=2, num_classes=4)
        assert (noisy[4] == 2).all()
        assert len(np.unique(noisy[:4])) == len(np.unique(noisy[5:, :4])) == 1
        found.add((int(noisy[0, 0]), int(noisy[8, 0])))
    assert found == {(a, b) for a in (1, 3) for b in (0, 1)}


def test_without_background_every_region_is_an_object(make_rng):
    mask = np.zeros((4, 6), dtype=np.uint8)
    mask[:, 3:] = 1
    noisy = class_swap_noise(mask, make_rng(), rate=1, background=None, num_classes=2)
    assert np.array_equal(noisy, 1 - mask)


def test_two_classes_with_a_background_leave_nothing_to_swap_to(make_rng):
    mask = grid(np.ones((3, 3), dtype=int))
    assert np.array_equal(class_swap_noise(mask, make_rng(), rate=1, num_classes=2), mask)
    keep = class_swap_noise(mask, make_rng(), rate=1, may_keep=True, num_classes=2)
    assert np.array_equal(keep, mask)


def test_objects_of_a_class_can_change_together(make_rng):
    mask = grid(np.arange(20).reshape(4, 5) % 3 + 1)
    clean = labels_of(mask)
    apart = labels_of(class_swap_noise(mask, make_rng(), rate=1, num_classes=19))
    noise = ClassSwapNoise(rate=1, per_object=False)
    together = labels_of(noise(mask, make_rng(), num_classes=19))
    for label in (1, 2, 3):
        assert len(np.unique(apart[clean == label])) > 1
        assert len(np.unique(together[clean == label])) == 1
        assert (together[clean == label] != label).all()


def test_what_happens_to_one_object_does_not_hang_on_the_rates_of_others(make_rng):
    mask = grid(np.arange(60).reshape(6, 10) % 3 + 1)
    clean = labels_of(mask)
    some = labels_of(class_swap_noise(mask, make_rng(), rate=[0, 0.5, 0, 1], num_classes=4))
    others = labels_of(class_swap_noise(mask, make_rng(), rate=[0, 0.5, 1, 0.2], num_classes=4))
    assert np.array_equal(some[clean == 1], others[clean == 1])
    assert not np.array_equal(some, others)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (0, 5), (5, 0)])
@pytest.mark.parametrize("per_object", [True, False])
def test_one_label_everywhere(make_rng, shape, per_object):
    for label in (0, 255):
        mask = np.full(shape, label, dtype=np.uint8)
        noisy = class_swap_noise(mask, make_rng(), rate=1, per_object=per_object, num_classes=4)
        assert np.array_equal(noisy, mask)
        assert not np.shares_memory(noisy, mask)
    mask = np.full(shape, 2, dtype=np.uint16)
    noisy = class_swap_noise(mask, make_rng(), rate=1, per_object=per_object, num_classes=3)
    assert np.array_equal(noisy, np.full_like(mask, 1))
    assert noisy.dtype == mask.dtype


def test_ignored_pixels_stay_and_part_objects(make_rng):
    mask = np.array([[1, 1, -1, 1, 0, 2]], dtype=np.int16)
    mask.setflags(write=False)
    seen = set()
    for number in range(60):
        rng = make_rng(number)
        noisy = class_swap_noise(mask, rng, rate=0.5, num_classes=3, ignore_index=-1)
        assert noisy[0, 2] == -1
        assert noisy[0, 0] == noisy[0, 1]
        assert noisy[0, 4] == 0
        seen.add(tuple(noisy[0, [0, 3, 5]].tolist()))
    assert seen == {(a, b, c) for a in (1, 2) for b in (1, 2) for c in (1, 2)}


def test_parameters_are_numbers_wherever_they_were_stored(tmp_path):
    matrix = np.array([[0.5, 0.5], [0.25, 0.75]])
    np.save(tmp_path / "matrix.npy", matrix)
    noise = ClassSwapNoise(matrix=tmp_path / "matrix.npy")
    assert noise == ClassSwapNoise(matrix=matrix)
    assert noise.digest() == ClassSwapNoise(matrix=matrix.tolist()).digest()
    assert json.loads(json.dumps(noise.parameters())) == {
        "rate": None,
        "matrix": matrix.tolist(),
        "may_keep": False,
        "per_object": True,
        "background": 0,
    }
    listed = ClassSwapNoise(rate=np.array([0, 0.5]))
    assert ClassSwapNoise(**json.loads(json.dumps(listed.parameters()))) == listed
    assert listed != ClassSwapNoise(rate=0.5)
    assert listed.digest() == ClassSwapNoise(rate=0.5).digest()  # nested in rate


def test_wrong_parameters(make_rng):
    with pytest.raises(ValueError, match="exactly one of rate and matrix, got neither"):
        ClassSwapNoise()
    with pytest.raises(ValueError, match=r"exactly one of rate and matrix, got rate 0\.1 and"):
        ClassSwapNoise(rate=0.1, matrix=np.eye(3))
    with pytest.raises(ValueError, match="may_keep goes with a rate only"):
        ClassSwapNoise(matrix=np.eye(3), may_keep=True)
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 1\.5"):
        ClassSwapNoise(rate=1.5)
    with pytest.raises(ValueError, match=r"rate\[1\] must be a finite number"):
        ClassSwapNoise(rate=[0.1, None])
    with pytest.raises(ValueError, match="may_keep must be True or False, got 1"):
        ClassSwapNoise(rate=0.1, may_keep=1)
    with pytest.raises(ValueError, match="per_object must be True or False, got 'no'"):
        ClassSwapNoise(rate=0.1, per_object="no")
    with pytest.raises(ValueError, match="row 0 of transition matrix must sum to 1"):
        ClassSwapNoise(matrix=[[0.5, 0.4], [0, 1]])
    with pytest.raises(ValueError, match="3 x 3, the data has 4 classes"):
        ClassSwapNoise(matrix=np.eye(3))(np.zeros((2, 2), np.uint8), make_rng(), num_classes=4)
