"""BoundaryFScoreMetric against loops over pairs of boundary pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmseg.registry import METRICS

from anl_seg.evaluation import BoundaryFScoreMetric, boundary_f_scores
from anl_seg.evaluation.boundary_f_score import boundary_pixels

CLASSES = ("background", "car/truck", "tree", "never")


def boundary_by_loop(mask, label):
    height, width = mask.shape
    found = []
    for y, x in np.ndindex(height, width):
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [(v, u) for v, u in beside if 0 <= v < height and 0 <= u < width]
        if mask[y, x] == label and any(mask[v, u] not in (label, 255) for v, u in inside):
            found.append((y, x))
    return found


def score_by_loop(pred, label, k, tolerance):
    pred = [[255 if t == 255 else p for p, t in zip(*rows)] for rows in zip(pred, label)]
    found, wanted = boundary_by_loop(np.array(pred), k), boundary_by_loop(label, k)
    if not found and not wanted:
        return math.nan
    if not found or not wanted:
        return 0.0

    def near(these, those):
        hits = [any(math.dist(a, b) <= tolerance + 1e-9 for b in those) for a in these]
        return sum(hits) / len(hits)

    precision, recall = near(found, wanted), near(wanted, found)
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def random_images(count=5, size=(17, 24)):
    """Pairs of a predicted and a labeled mask of blobs; "tree" is missing from some."""
    rng = np.random.RandomState(5)
    rows, columns = np.ogrid[: size[0], : size[1]]
    images = []
    for number in range(count):
        masks = []
        y, x = rng.randint(4, 12), rng.randint(5, 18)
        for shift in (0, rng.randint(0, 4)):
            mask = np.zeros(size, dtype=np.int64)
            mask[(rows - y) ** 2 + (columns - x - shift) ** 2 < 20] = 1
            if number % 2 == 0 or shift:
                mask[: 2 + shift, : 6 + shift] = 2
            masks.append(mask)
        pred, label = masks
        label[rng.rand(*size) < 0.05] = 255
        images.append((pred, label))
    return images


def as_sample(pred, label):
    return {
        "pred_sem_seg": {"data": torch.from_numpy(pred)[None]},
        "gt_sem_seg": {"data": torch.from_numpy(label)[None]},
    }


def evaluate(images, classes=CLASSES, **config):
    metric = METRICS.build({"type": "anl_seg.BoundaryFScoreMetric", **config})
    metric.dataset_meta = {"classes": classes}
    samples = [as_sample(*image) for image in images]
    for start in range(0, len(samples), 2):
        metric.process({}, samples[start : start + 2])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3])
def test_scores_of_one_image_equal_a_loop(tolerance):
    seen = set()
    for pred, label in random_images():
        kept = pred.copy(), label.copy()
        scores = boundary_f_scores(pred, label, 4, tolerance)
        expected = [score_by_loop(pred, label, k, tolerance) for k in range(4)]
        assert scores == pytest.approx(np.array(expected), nan_ok=True, abs=1e-12)
        assert np.array_equal(pred, kept[0])
        assert np.array_equal(label, kept[1])
        seen.update(scores[~np.isnan(scores)].tolist())
    assert len(seen) > 3


@pytest.mark.parametrize(
    ("config", "pixels"),
    [
        ({}, 1),  # 0.0075 of a diagonal of 29.4, rounded up
        ({"tolerance": 0.05}, 2),
        ({"tolerance": 1.5, "unit": "pixels"}, 1.5),
        ({"tolerance": 0, "unit": "pixels"}, 0),
    ],
)
def test_means_over_images_then_classes(config, pixels):
    images = random_images()
    metrics = evaluate(images, **config)
    table = np.array([[score_by_loop(*image, k, pixels) for k in range(4)] for image in images])
    means = [100 * np.nanmean(table[:, k]) for k in range(3)]
    for name, value in zip(("background", "car-truck", "tree"), means):
        assert metrics[f"BF.{name}"] == pytest.approx(value, abs=0.0051)
    assert math.isnan(metrics["BF.never"])
    assert metrics["mBF"] == pytest.approx(np.mean(means), abs=0.0051)
    assert metrics["mBF.fg"] == pytest.approx(np.mean(means[1:]), abs=0.0051)
    assert set(metrics) == {*(f"BF.{n.replace('/', '-')}" for n in CLASSES), "mBF", "mBF.fg"}


def test_other_background_and_none():
    images = random_images()
    metrics = evaluate(images, background=2)
    assert metrics["mBF.fg"] == pytest.approx(
        (metrics["BF.background"] + metrics["BF.car-truck"]) / 2, abs=0.011
    )
    assert "mBF.fg" not in evaluate(images, background=None)


def test_exact_and_shifted_outlines():
    label = np.zeros((20, 20), dtype=np.int64)
    label[5:15, 5:15] = 1
    assert evaluate([(label, label)])["mBF"] == 100.0
    shifted = np.roll(label, 2, axis=1)
    values = [
        evaluate([(shifted, label)], tolerance=t, unit="pixels")["BF.car-truck"] for t in (0, 1, 2)
    ]
    assert values[0] < values[1] < values[2] == 100.0


def test_missed_class_scores_zero_and_no_outline_says_nothing():
    label = np.zeros((6, 6), dtype=np.int64)
    blank = label.copy()
    label[2:4, 2:4] = 1
    metrics = evaluate([(blank, label), (blank, blank)])
    assert metrics["BF.car-truck"] == metrics["BF.background"] == metrics["mBF"] == 0.0
    assert math.isnan(evaluate([(blank, blank)])["mBF"])
    assert math.isnan(evaluate([])["mBF"])


def test_no_boundary_at_ignored_pixels_or_the_edge_of_the_image():
    label = np.array([[1, 1, 255, 0, 0]])
    assert not boundary_pixels(label).any()
    # What is predicted under ignored pixels plays no part.
    assert np.isnan(boundary_f_scores(np.array([[1, 1, 2, 0, 0]]), label, 3, 1)).all()


def test_float_predictions_of_a_binary_head():
    label = np.zeros((8, 8), dtype=np.int64)
    label[2:5, 2:5] = 1
    assert evaluate([(label.astype(np.float32), label)], classes=("a", "b"))["mBF"] == 100.0


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"unit": "pixel"}, "Did you mean pixels"),
        ({"tolerance": 3}, "share of the diagonal in .0, 1., got 3"),
        ({"tolerance": -1, "unit": "pixels"}, "got -1"),
        ({"tolerance": True, "unit": "pixels"}, "a finite number in .*got True"),
        ({"tolerance": math.nan, "unit": "pixels"}, "got nan"),
        ({"background": -2}, "background"),
    ],
)
def test_wrong_arguments(config, text):
    with pytest.raises(ValueError, match=text):
        BoundaryFScoreMetric(**config)


def test_wrong_samples():
    pred, label = random_images(1)[0]
    with pytest.raises(ValueError, match=r"is \(17, 24\), its mask \(8, 24\)"):
        evaluate([(pred, label[:8])])
    with pytest.raises(ValueError, match=r"\[0, 2\) or be 255, got 0 to 2"):
        evaluate([(pred, label)], classes=("a", "b"))
    with pytest.raises(ValueError, match=r"background must be None or a class in .0, 4., got 9"):
        evaluate([(pred, label)], background=9)
    with pytest.raises(ValueError, match="must differ"):
        evaluate([(pred, label)], classes=("a", "b/c", "b-c"))
