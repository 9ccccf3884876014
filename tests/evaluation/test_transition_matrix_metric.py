"""EstimateTransitionMatrix against the accumulators it fills, in one process and in two."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from anl_seg.evaluation import EstimateTransitionMatrix
from anl_seg.noise import build_noise
from anl_seg.noise.estimate_transition_matrix import AnchorPoints, TransitionCounts

CLASSES = ("background", "car", "tree")
T = np.array([[0.8, 0.2, 0.0], [0.1, 0.6, 0.3], [0.0, 0.3, 0.7]])


def random_images(count=7, size=(16, 20)):
    """Logits (3, H, W) that know p(noisy | x), noisy and clean masks (H, W); some pixels are 255."""
    rng = np.random.RandomState(1)
    images = []
    for _ in range(count):
        clean = rng.randint(0, 3, size)
        noisy = (rng.rand(*size)[..., None] > np.cumsum(T[clean], axis=-1)[..., :2]).sum(axis=-1)
        logits = np.log(T[clean] + 1e-6) + 0.05 * rng.standard_normal((*size, 3))
        ignored = rng.rand(*size) < 0.1
        clean[ignored] = noisy[ignored] = 255
        images.append((logits.transpose(2, 0, 1).astype(np.float32) + 3, noisy, clean))
    return images


def as_sample(logits, noisy=None, clean=None):
    sample = SegDataSample()
    sample.seg_logits = PixelData(data=torch.from_numpy(logits))
    if noisy is not None:
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(noisy)[None])
    if clean is not None:
        sample.set_data({"gt_sem_seg_clean": PixelData(data=torch.from_numpy(clean)[None])})
    return sample


def build(classes=CLASSES, **config):
    metric = METRICS.build({"type": "anl_seg.EstimateTransitionMatrix", **config})
    metric.dataset_meta = {"classes": classes}
    return metric


def evaluate(metric, images, batch=2):
    samples = [as_sample(*image).to_dict() for image in images]
    for start in range(0, len(samples), batch):
        metric.process({}, samples[start : start + batch])
    return metric.evaluate(len(samples))


def accumulated(images):
    anchors, counts = AnchorPoints(3), TransitionCounts(3)
    for logits, noisy, clean in images:
        anchors.add(torch.from_numpy(logits).softmax(0).numpy(), noisy)
        counts.add(clean, noisy)
    return anchors, counts


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("method", ["anchor", "anchor_labels", "clean"])
def test_equals_the_accumulators(method, batch):
    images = random_images()
    anchors, counts = accumulated(images)
    expected = {
        "anchor": lambda: anchors.estimate(0.8),
        "anchor_labels": lambda: anchors.label_estimate(0.6),
        "clean": counts.estimate,
    }[method]()
    metric = build(method=method, quantile=0.8, top_share=0.6)
    values = evaluate(metric, images, batch)
    assert np.array_equal(metric.estimate.matrix, expected.matrix)
    assert np.array_equal(metric.estimate.standard_errors, expected.standard_errors, equal_nan=True)
    assert np.array_equal(metric.counts.confusion, counts.confusion)
    assert (metric.anchors is None) == (method == "clean")
    assert values["transition/flip_rate"] == expected.flip_rate
    assert values["transition/unknown_classes"] == 0
    error = np.abs(expected.matrix - counts.estimate().matrix).max()
    if method == "clean":
        assert "transition/max_error" not in values
    else:
        assert values["transition/max_error"] == pytest.approx(error)
        assert 0 < error < 0.1
    assert all(isinstance(v, float) for v in values.values())


def test_values_say_what_noise_it_is():
    images = random_images()
    values = evaluate(build(method="clean"), images)
    kept = np.diagonal(T)
    assert values["transition/flip_rate"] == pytest.approx(1 - kept.mean(), abs=0.03)
    rate = (1 - kept + T[[0, 1, 2], [1, 2, 0]]).mean() / 2
    assert values["transition/pair_rate"] == pytest.approx(rate, abs=0.03)
    assert values["transition/symmetric_residual"] == pytest.approx(0.15, abs=0.04)
    assert values["transition/pair_residual"] == pytest.approx(0.3 - 0.0, abs=0.04)


def test_file_trains_the_same_noise_and_results_start_anew(tmp_path):
    path = tmp_path / "matrix.json"
    images = random_images()
    metric = build(method="clean", output_file=str(path))
    first = evaluate(metric, images[:3])
    written = path.read_text()
    evaluate(metric, images)
    assert path.read_text() != written
    assert evaluate(metric, images[:3]) == first
    assert path.read_text() == written
    noise = build_noise(dict(type="TransitionMatrixNoise", matrix=str(path)))
    assert np.array_equal(noise.matrix, metric.estimate.matrix)
    assert [p.name for p in tmp_path.iterdir()] == ["matrix.json"]


def test_a_class_without_pixels(tmp_path):
    path = tmp_path / "matrix.json"
    images = [
        (logits - np.array([0, 0, 99])[:, None, None], *rest) for logits, *rest in random_images()
    ]
    metric = build(output_file=path)
    values = evaluate(metric, images)
    assert values["transition/unknown_classes"] == 1
    assert metric.estimate.unknown == [2]
    assert json.loads(path.read_text())[2] == [0, 0, 1]


def test_nothing_at_all():
    values = build(method="anchor").evaluate(0)
    assert values["transition/unknown_classes"] == 3
    assert all(math.isnan(values[f"transition/{k}"]) for k in ("flip_rate", "symmetric_residual"))


def test_predictions_alone_are_enough_for_anchor():
    images = [(logits,) for logits, _, _ in random_images()]
    metric = build(method="anchor", quantile=0.5)
    values = evaluate(metric, images)
    assert np.abs(metric.estimate.matrix - T).max() < 0.05
    assert metric.counts is None
    assert "transition/max_error" not in values


def test_max_error_needs_the_clean_mask_of_every_image():
    images = random_images()
    images[2] = images[2][:2]
    metric = build()
    assert "transition/max_error" not in evaluate(metric, images)
    assert metric.counts is None


def test_binary_head_of_one_channel():
    """mmseg returns its sigmoid."""
    rng = np.random.RandomState(0)
    clean = rng.randint(0, 2, (1, 9, 9))
    posterior = np.where(clean == 1, 0.7, 0.1).astype(np.float32)
    metric = build(("a", "b"), method="anchor")
    values = evaluate(metric, [(posterior, clean[0])])
    assert metric.estimate.matrix == pytest.approx(np.array([[0.9, 0.1], [0.3, 0.7]]), abs=1e-6)
    assert values["transition/symmetric_residual"] == pytest.approx(0.1)
    assert math.isnan(values["transition/pair_rate"])
    with pytest.raises(ValueError, match="values from -2 to 3"):
        evaluate(build(("a", "b")), [(np.array([[[-2.0, 3.0]]]), np.array([[0, 1]]))])


def test_probabilities_of_test_time_augmentation_are_taken_as_they_are():
    images = random_images()
    done = [(torch.from_numpy(x).softmax(0).numpy(), *rest) for x, *rest in images]
    metrics = [build(method="anchor"), build(method="anchor")]
    for metric, given in zip(metrics, (images, done)):
        evaluate(metric, given)
    assert np.array_equal(metrics[0].estimate.matrix, metrics[1].estimate.matrix)


def test_half_precision_logits():
    images = [(x.astype(np.float16), *rest) for x, *rest in random_images()]
    metric = build(method="anchor")
    evaluate(metric, images)
    assert (
        np.abs(metric.estimate.matrix - accumulated(random_images())[0].estimate().matrix).max()
        < 0.01
    )


@pytest.mark.parametrize("scope", ["mmseg", "anl_seg"])
def test_through_mmengines_evaluator(scope):
    images = random_images()
    with DefaultScope.overwrite_default_scope(scope):
        evaluator = Evaluator([{"type": "anl_seg.EstimateTransitionMatrix"}])
    evaluator.dataset_meta = {"classes": CLASSES}
    for image in images:
        evaluator.process([as_sample(*image)])
    values = evaluator.evaluate(len(images))
    assert values == evaluate(build(), images)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"method": "ancor"}, "Did you mean anchor"),
        ({"quantile": 1.5}, "quantile"),
        ({"top_share": 0}, "top_share"),
        ({"output_file": "matrix.npy"}, "'matrix.npy'"),
        ({"output_file": "."}, "json file"),
    ],
)
def test_wrong_arguments(config, text):
    with pytest.raises(ValueError, match=text):
        EstimateTransitionMatrix(**config)


def test_missing_folder_of_the_file():
    with pytest.raises(FileNotFoundError, match=r"no folder 'nowhere' to write 'matrix.json'"):
        EstimateTransitionMatrix(output_file="nowhere/matrix.json")


def test_wrong_samples():
    logits, noisy, clean = random_images(1)[0]
    with pytest.raises(ValueError, match="needs the noisy mask"):
        evaluate(build(), [(logits,)])
    with pytest.raises(ValueError, match="keep_clean=True"):
        evaluate(build(method="clean"), [(logits, noisy)])
    with pytest.raises(ValueError, match=r"is \(16, 20\), its mask \(8, 20\)"):
        evaluate(build(method="anchor"), [(logits, noisy[:8])])
    with pytest.raises(ValueError, match="predicts 3 classes, the dataset has 4"):
        evaluate(build(("a", "b", "c", "d")), [(logits, noisy)])
    with pytest.raises(ValueError, match="labels 7"):
        evaluate(build(method="clean"), [(logits, noisy, np.full_like(clean, 7))])


# --- two processes; seven images, so the sampler repeats one ---


def worker(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    images = random_images()
    mine = [images[i % 7] for i in range(rank, 8, 2)]
    results = {}
    for method in ("anchor", "anchor_labels", "clean"):
        metric = build(method=method, output_file=f"{folder}/{method}.json")
        for image in mine:
            metric.process({}, [as_sample(*image).to_dict()])
        values = metric.evaluate(7)
        results[method] = (values, metric.estimate.matrix.tolist())
    Path(folder, f"{rank}.json").write_text(json.dumps(results))
    dist.barrier()
    os._exit(0)  # tearing a gloo group down can hang


@pytest.mark.process
def test_two_ranks_count_each_image_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen([sys.executable, __file__, str(rank), port, str(tmp_path)])
        for rank in range(2)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    results = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert results[0] == results[1]
    for method, (values, matrix) in results[0].items():
        metric = build(method=method)
        assert evaluate(metric, random_images()) == pytest.approx(values)
        assert metric.estimate.matrix == pytest.approx(np.array(matrix), abs=1e-12)
        written = json.loads((tmp_path / f"{method}.json").read_text())
        assert np.array(written) == pytest.approx(np.array(matrix), abs=1e-12)


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2], sys.argv[3])
