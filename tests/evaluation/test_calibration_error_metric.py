"""CalibrationErrorMetric against a loop over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmseg.registry import METRICS

from anl_seg.evaluation import CalibrationErrorMetric

CLASSES = ("a", "b", "c")


def random_images(count=5, size=(9, 8)):
    """Pairs of logits (3, H, W) and a mask; some labels are 255."""
    rng = np.random.RandomState(2)
    images = []
    for _ in range(count):
        logits = rng.standard_normal((3, *size)).astype(np.float32) * 2
        label = np.where(rng.rand(*size) < 0.6, logits.argmax(0), rng.randint(0, 3, size))
        label[rng.rand(*size) < 0.1] = 255
        images.append((logits, label))
    return images


def expected_values(images, bins):
    members = [[] for _ in range(bins)]
    for logits, label in images:
        for y, x in np.ndindex(label.shape):
            if label[y, x] == 255:
                continue
            z = [float(v) for v in logits[:, y, x]]
            total = sum(math.exp(v) for v in z)
            k = max(range(3), key=z.__getitem__)
            confidence = math.exp(z[k]) / total
            b = next(i for i in range(bins) if confidence <= (i + 1) / bins)
            members[b].append((confidence, k == label[y, x]))
    count = sum(map(len, members))
    error = sum(abs(sum(c for c, _ in m) - sum(r for _, r in m)) for m in members) / count
    signed = sum(c - r for m in members for c, r in m) / count
    return 100 * error, 100 * signed


def as_sample(logits, label, pred=None):
    pred = logits.argmax(0) if pred is None else pred
    return {
        "seg_logits": {"data": torch.from_numpy(logits)},
        "pred_sem_seg": {"data": torch.from_numpy(pred)[None]},
        "gt_sem_seg": {"data": torch.from_numpy(label)[None]},
    }


def evaluate(samples, classes=CLASSES, **config):
    metric = METRICS.build({"type": "anl_seg.CalibrationErrorMetric", **config})
    metric.dataset_meta = {"classes": classes}
    for start in range(0, len(samples), 2):
        metric.process({}, samples[start : start + 2])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_equals_a_loop_over_pixels(bins):
    images = random_images()
    values = evaluate([as_sample(*image) for image in images], bins=bins)
    error, signed = expected_values(images, bins)
    assert values == pytest.approx({"ECE": error, "overconfidence": signed}, abs=1e-4)
    assert 1 < error < 50


def test_certain_models():
    label = np.array([[0, 0, 1, 1]])
    sure = np.array([[[99.0] * 4], [[0.0] * 4], [[0.0] * 4]])
    values = evaluate([as_sample(sure, label)])
    assert values == pytest.approx({"ECE": 50, "overconfidence": 50})
    values = evaluate([as_sample(sure, np.zeros_like(label))])
    assert values == pytest.approx({"ECE": 0, "overconfidence": 0}, abs=1e-9)


def test_underconfidence_is_negative():
    logits = np.array([[[0.1, 0.1]], [[0.0, 0.0]], [[0.0, 0.0]]])
    values = evaluate([as_sample(logits, np.array([[0, 0]]))])
    assert values["overconfidence"] == pytest.approx(-values["ECE"])
    assert values["ECE"] > 60


def test_an_edge_belongs_to_the_bin_it_ends():
    """Confidence 1 / 2 of two bins lies in the first: right in the first, wrong in the second."""
    probabilities = np.array([[[0.5, 0.9]], [[0.5, 0.1]]], dtype=np.float32)
    sample = as_sample(probabilities, np.array([[0, 1]]))
    values = evaluate([sample], classes=("a", "b"), bins=2)
    assert values["ECE"] == pytest.approx(100 * (0.5 + 0.9) / 2, abs=1e-4)


def test_binary_head_with_a_threshold_of_its_own():
    """One channel holds the sigmoid; at threshold 0.3 a pixel of 0.4 is predicted as class 1."""
    probability = np.array([[[0.4, 0.1]]], dtype=np.float32)
    sample = as_sample(probability, np.array([[1, 0]]), pred=np.array([[1.0, 0.0]]))
    values = evaluate([sample], classes=("a", "b"), bins=10)
    assert values["ECE"] == pytest.approx(100 * (0.6 + 0.1) / 2, abs=1e-4)


def test_nothing_valid_is_nan():
    logits, label = random_images(1)[0]
    values = evaluate([as_sample(logits, np.full_like(label, 255))])
    assert all(map(math.isnan, values.values()))
    assert all(map(math.isnan, evaluate([]).values()))


@pytest.mark.parametrize("bins", [0, 1.5, True, "9"])
def test_bad_bins(bins):
    with pytest.raises(ValueError, match=f"bins.*{bins!r}"):
        CalibrationErrorMetric(bins=bins)


def test_wrong_samples():
    logits, label = random_images(1)[0]
    sample = as_sample(logits, label)
    with pytest.raises(ValueError, match="predicts 3 classes, the dataset has 2"):
        evaluate([sample], classes=("a", "b"))
    with pytest.raises(ValueError, match=r"\(9, 8\), \(4, 8\), \(9, 8\)"):
        evaluate([as_sample(logits, label[:4])])
    del sample["seg_logits"]
    with pytest.raises(ValueError, match="needs `seg_logits`"):
        evaluate([sample])
