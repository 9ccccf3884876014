from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

from anl_seg.noise.object_shapes import load_object_shapes, object_shapes, save_object_shapes

ROWS = [[1, 0.25, 0.5], [3, 1, 1], [2, 0.1, 1 / 3]]


def test_rows_hold_class_area_and_elongation():
    mask = np.zeros((20, 30), dtype=np.uint8)
    mask[2:6, 3:15] = 2
    mask[10:15, 20:25] = 1
    mask[18, 4:11] = 1
    mask[:, 29] = 255
    rows = object_shapes([mask], num_classes=3)
    # By class, then by first pixel; areas are of all 600 pixels, the ignored ones too.
    assert [row[:2] for row in rows] == [[1, 25 / 600], [1, 7 / 600], [2, 48 / 600]]
    assert [row[2] for row in rows] == pytest.approx([1, 1 / 7, 4 / 12])
    assert [type(value) for value in rows[0]] == [int, float, float]


def test_elongation_does_not_change_by_turning_and_moving():
    line = np.eye(40, dtype=np.uint8)
    (row,) = object_shapes([line], num_classes=2)
    # Along the diagonal var = 2 (n^2 - 1) / 12 + 1 / 12, across it 1 / 12.
    assert row[2] == pytest.approx(1 / math.sqrt(2 * (40**2 - 1) + 1))
    blob = np.zeros((60, 90), dtype=np.uint8)
    blob[5:9, 5:30] = 1
    blob[9:14, 20:24] = 1
    (row,) = object_shapes([blob], num_classes=2)
    for other in (blob.T, blob[::-1], np.rot90(blob), np.roll(blob, (40, 50), axis=(0, 1))):
        assert object_shapes([other], num_classes=2)[0][2] == row[2]


@pytest.mark.parametrize(("elongation", "angle"), [(0.3, 0.4), (0.7, 2.0), (1.0, 0.0)])
def test_an_ellipse_gets_its_own_numbers(elongation, angle):
    y, x = np.indices((200, 200)) - 99.7
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    mask = ((along / 80) ** 2 + (across / (80 * elongation)) ** 2 <= 1).astype(np.int64)
    ((label, area, found),) = object_shapes([mask], num_classes=2)
    assert label == 1
    assert area == pytest.approx(math.pi * 80**2 * elongation / 200**2, rel=0.01)
    assert found == pytest.approx(elongation, rel=0.01)


def test_objects_of_all_masks_in_their_order():
    masks = (np.full((2, 2 + k), k, dtype=np.uint8) for k in range(3))
    assert object_shapes(masks, num_classes=3) == [[1, 1, 2 / 3], [2, 1, 0.5]]
    mask = np.array([[0, 1], [0, 1]], dtype=np.uint8)
    both = [[0, 0.5, 0.5], [1, 0.5, 0.5]]
    assert object_shapes([mask], num_classes=2, background=None) == both
    assert object_shapes([mask], num_classes=2, background=1) == both[:1]


def test_masks_without_objects_have_no_rows():
    empty = [np.full(shape, 0, np.uint8) for shape in [(4, 4), (0, 5), (5, 0), (1, 1)]]
    ignored = np.full((3, 3), -1)
    assert object_shapes(empty, num_classes=2) == []
    assert object_shapes([], num_classes=2) == []
    assert object_shapes([ignored], num_classes=2, background=None, ignore_index=-1) == []


def test_every_elongation_lies_in_range_and_loads():
    random = np.random.RandomState(0)
    masks = [random.choice([0, 0, 0, 1, 2], size=(25, 31)) for _ in range(4)]
    rows = object_shapes(masks, num_classes=3)
    assert len(rows) > 100
    assert load_object_shapes(rows).tolist() == rows


def test_wrong_masks_are_named():
    mask = np.zeros((2, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"labels 7 \(1 pixels\)"):
        object_shapes([mask, np.array([[7]])], num_classes=3)
    with pytest.raises(ValueError, match=r"background .*\[0, 3\), got 3"):
        object_shapes([mask], num_classes=3, background=3)


def test_a_file_gives_back_the_rows(tmp_path):
    path = tmp_path / "shapes.json"
    save_object_shapes(path, ROWS)
    assert json.loads(path.read_text()) == ROWS
    assert path.read_text().count("\n") == len(ROWS) + 2
    assert load_object_shapes(path).tolist() == ROWS
    assert load_object_shapes(str(path)).tolist() == ROWS
    save_object_shapes(str(path), np.array(ROWS[:1]))
    assert load_object_shapes(path).tolist() == ROWS[:1]
    assert os.listdir(tmp_path) == ["shapes.json"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "shapes.json"
    save_object_shapes(path, ROWS)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_object_shapes(path, ROWS[:1])
    assert os.listdir(tmp_path) == ["shapes.json"]
    assert load_object_shapes(path).tolist() == ROWS


def test_loaded_rows_are_a_copy_that_cannot_change():
    array = np.array(ROWS)
    loaded = load_object_shapes(array)
    array[0, 0] = 2
    assert loaded.tolist() == ROWS
    with pytest.raises(ValueError, match="read-only"):
        loaded[0, 0] = 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"at least one row \[label, area, elongation\], got shape \(0,\)"),
        ([[1, 0.5]], r"at least one row .*, got shape \(1, 2\)"),
        ([1, 0.5, 0.5], r"at least one row .*, got shape \(3,\)"),
        ([[1, 0.5, 0.5], [1, 0.5]], r"must be rows \[label, area, elongation\]"),
        ([[1, 0.5, "a"]], r"must be rows \[label, area, elongation\]"),
        (None, "at least one row"),
        ([ROWS[0], [1.5, 0.5, 0.5]], r"row 1 .*: label must be an integer of at least 0, got 1\.5"),
        ([[-1, 0.5, 0.5]], "row 0 .*: label must be an integer of at least 0, got -1"),
        ([[1, 0, 0.5]], r"row 0 .*: area must be a share .* \(0, 1\], got 0"),
        ([[1, 17, 0.5]], r"row 0 .*: area must be a share .* \(0, 1\], got 17"),
        ([[1, 0.5, 1.01]], r"row 0 .*: elongation must be a ratio in \(0, 1\], got 1\.01"),
        ([[1, 0.5, float("nan")]], "row 0 .*: elongation must be .*, got nan"),
        ([[float("inf"), 0.5, 0.5]], "row 0 .*: label must be .*, got inf"),
    ],
)
def test_wrong_rows_are_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        load_object_shapes(rows)
    with pytest.raises(ValueError, match=message):
        save_object_shapes(tmp_path / "shapes.json", rows)
    assert os.listdir(tmp_path) == []


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"kept in a \.json file, got 'shapes\.csv'"):
        load_object_shapes("shapes.csv")
    with pytest.raises(ValueError, match=r"kept in a \.json file"):
        save_object_shapes(tmp_path / "shapes.npy", ROWS)
    with pytest.raises(FileNotFoundError, match=r"no object shapes at '.*none\.json'"):
        load_object_shapes(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match=r"no folder '.*none' to write"):
        save_object_shapes(tmp_path / "none" / "shapes.json", ROWS)
    path = tmp_path / "shapes.json"
    path.write_text("[[1, 0.5")
    with pytest.raises(ValueError, match=r"object shapes '.*shapes\.json' must be a JSON file"):
        load_object_shapes(path)
    path.write_text("[[1, 0.5, 2]]")
    with pytest.raises(ValueError, match=r"row 0 of object shapes '.*shapes\.json': elongation"):
        load_object_shapes(path)
