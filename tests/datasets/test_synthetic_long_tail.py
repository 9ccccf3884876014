from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from mmseg.registry import DATASETS

from anl_seg.datasets import SyntheticLongTailDataset, _long_tail, _shapes
from anl_seg.datasets._long_tail import CLASSES, OBJECTS, PALETTE, draw_sample, object_label
from tests.surroundings import count_calls

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def digest(array: np.ndarray) -> str:
    return hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()


def pixels(count: int, split: str = "train") -> np.ndarray:
    masks = [draw_sample(0, split, i)[1] for i in range(count)]
    return np.bincount(np.concatenate(masks, axis=None), minlength=len(CLASSES))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ((0, "train", 0, (48, 48)), "4f4654db7dc1f32e638a8c8735cc3054"),
        ((3, "val", 7, (32, 80)), "6eb4a770e9b184e49186274661280bb8"),
    ],
)
def test_masks_never_change(request_, expected):
    assert digest(draw_sample(*request_)[1]) == expected


def test_names_and_colours_tell_the_classes_apart():
    assert len(CLASSES) == 1 + OBJECTS == 43
    assert len(set(CLASSES)) == len(set(map(tuple, PALETTE))) == 43
    assert all(0 <= c <= 255 for colour in PALETTE for c in colour)


def test_labels_are_drawn_in_proportion_to_one_over_rank():
    """However many are taken, from wherever, no class is off by more than a few objects."""
    harmonic = sum(1 / k for k in range(1, OBJECTS + 1))
    for start, count in ((0, 600), (50, 600), (7, 2000)):
        counts = Counter(object_label(4, "val", n) for n in range(start, start + count))
        for k in range(1, OBJECTS + 1):
            assert abs(counts[k] - count / k / harmonic) < 4
            assert counts[k] >= 1
    assert [object_label(0, "train", n) for n in range(20)] != [
        object_label(1, "train", n) for n in range(20)
    ]


def test_the_tail_is_long_and_no_class_is_missing():
    train, val = pixels(200), pixels(100, "val")
    share = train / train.sum()
    assert 0.55 < share[0] < 0.75
    assert share[1] > 0.06
    assert share[-5:].max() < 0.004
    assert (train >= 200).all()
    assert (val >= 100).all()


def test_a_sample_depends_on_its_identity_only():
    forwards = [draw_sample(1, "train", i) for i in range(4)]
    np.random.seed(7)
    backwards = [draw_sample(1, "train", i) for i in reversed(range(4))][::-1]
    for (image, mask), (image_2, mask_2) in zip(forwards, backwards):
        np.testing.assert_array_equal(image, image_2)
        np.testing.assert_array_equal(mask, mask_2)
    others = [(0, "train", 0), (1, "train", 0), (0, "val", 0), (0, "test", 0), (0, "train", 1)]
    assert len({digest(draw_sample(*other)[1]) for other in others}) == len(others)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (120, 64)])
def test_any_size(size):
    image, mask = draw_sample(0, "val", 3, size)
    assert image.shape == (*size, 3)
    assert mask.shape == size
    assert image.dtype == mask.dtype == np.uint8
    assert mask.max() < len(CLASSES)
    assert (mask > 0).any()


@pytest.mark.parametrize("size", [(64, 64), (256, 256)])
def test_drawing_calls_few_functions_whatever_the_size(size):
    for index in range(20):
        assert count_calls(lambda index=index: draw_sample(0, "train", index, size)) < 800


def test_the_data_set_draws_its_own_scenes():
    data = DATASETS.build(
        dict(
            type="anl_seg.SyntheticLongTailDataset",
            length=3,
            size=(48, 48),
            seed=2,
            split="val",
            pipeline=[dict(type="anl_seg.LoadSyntheticShapes")],
        )
    )
    assert isinstance(data, SyntheticLongTailDataset)
    assert data.get_data_info(1)["sample_key"] == "synthetic_long_tail/val/2/1"
    image, mask = draw_sample(2, "val", 1)
    np.testing.assert_array_equal(data[1]["img"], image)
    np.testing.assert_array_equal(data[1]["gt_seg_map"], mask)
    assert len(data.metainfo["classes"]) == len(data.metainfo["palette"]) == 43


def test_the_two_generators_share_no_stream():
    draws = [
        module_draws.integers(0, 255, 8).tolist()
        for module_draws in (
            _shapes.Draws("synthetic_shapes", 0, "train", 0),
            _shapes.Draws("synthetic_long_tail", 0, "train", 0),
        )
    ]
    assert draws[0] != draws[1]


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="SyntheticLongTailDataset reads no files"):
        SyntheticLongTailDataset(data_root="data")
    with pytest.raises(ValueError, match=r"split.*'dev'"):
        _long_tail.draw_sample(0, "dev", 0)
