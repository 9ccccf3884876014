"""anl-seg test: the score of a checkpoint, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

from anl_seg.cli import test as test_command
from anl_seg.config import load_config

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
SMALL = [
    "--cfg-options",
    "test_dataloader.dataset.length=4",
    "test_dataloader.num_workers=0",
]


@pytest.fixture
def checkpoint(tmp_path):
    init_default_scope("mmseg")
    model = MODELS.build(load_config(QUICKSTART).model)
    path = tmp_path / "model.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)
    return str(path)


def test_writes_the_metrics(checkpoint, tmp_path):
    test_command.main([QUICKSTART, checkpoint, f"--work-dir={tmp_path / 'run'}", *SMALL])
    metrics = next((tmp_path / "run").glob("*/*.json")).read_text()
    assert '"mIoU"' in metrics
    assert '"Dice.cross"' in metrics


def test_missing_checkpoint_is_named():
    with pytest.raises(SystemExit, match=r"anl-seg test: no checkpoint at 'nothing.pth'"):
        test_command.main([QUICKSTART, "nothing.pth"])


def test_corrupted_test_masks_are_refused_unless_meant(checkpoint, corrupted):
    config = corrupted("test_dataloader")
    with pytest.raises(SystemExit, match="the test masks are corrupted"):
        test_command.main([config, checkpoint])
    cfg = test_command.build_config(
        test_command.parse_args([config, checkpoint, "--allow-noisy-eval"])
    )
    assert cfg.test_dataloader.dataset.pipeline[1].type == "anl_seg.CorruptMask"


TTA = (
    f"_base_ = [{QUICKSTART!r}]\n"
    "tta_pipeline = [dict(type='anl_seg.LoadSyntheticShapes'), dict(type='TestTimeAug', transforms=["
    "[dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)], "
    "[dict(type='PackSegInputs')]])]\n"
    "test_evaluator = [dict(type='anl_seg.CalibrationErrorMetric'), "
    "dict(type='anl_seg.PerClassIoUMetric', iou_metrics=['mIoU']), "
    "dict(type='anl_seg.NoisyIoUMetric', iou_metrics=['mIoU'], "
    "noise=dict(type='SymmetricNoise', rate=0.2))]\n"
    "visualizer = None\n"
)


def test_several_views_and_several_metrics_give_all_scores_and_all_predictions(
    checkpoint, tmp_path
):
    config = tmp_path / "tta.py"
    config.write_text(TTA)
    out = tmp_path / "not" / "there"
    test_command.main(
        [str(config), checkpoint, "--tta", f"--out={out}", f"--work-dir={tmp_path / 'run'}", *SMALL]
    )
    metrics = json.loads(next((tmp_path / "run").glob("*/*.json")).read_text())
    assert {"ECE", "mIoU", "noisy/mIoU"} <= set(metrics)
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png", "2.png", "3.png"]
    predictions = np.stack([cv2.imread(str(path), -1) for path in sorted(out.iterdir())])

    # By hand: both views, the mean of their probabilities, and how far it is from being right.
    cfg = load_config(str(config))
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(checkpoint)["state_dict"])
    dataset = DATASETS.build({**cfg.test_dataloader.dataset, "length": 4})
    bins = []
    for index, prediction in enumerate(predictions):
        sample = dataset[index]
        views = []
        for view in (sample["inputs"], sample["inputs"].flip(2)):
            with torch.no_grad():
                batch = model.data_preprocessor(
                    {"inputs": [view], "data_samples": [sample["data_samples"]]}
                )
                views.append(
                    model.encode_decode(batch["inputs"], [dict(img_shape=(64, 64))])[0].softmax(
                        dim=0
                    )
                )
        mean = (views[0] + views[1].flip(2)) / 2
        assert (mean.argmax(dim=0).numpy() == prediction).mean() > 0.999
        label = sample["data_samples"].gt_sem_seg.data
        bins.append((mean.amax(dim=0).mean(), (mean.argmax(dim=0) == label[0]).float().mean()))
    confidence, right = np.mean(bins, axis=0)
    assert metrics["overconfidence"] == pytest.approx(100 * (confidence - right), abs=0.01)


def test_what_cannot_be_evaluated_is_told_in_a_sentence(checkpoint, tmp_path):
    (tmp_path / "file").write_text("no folder")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(Path(checkpoint).read_bytes()[:5000])
    weights = torch.load(checkpoint)
    head = "decode_head.conv_seg.weight"
    other, lacking = tmp_path / "other.pth", tmp_path / "lacking.pth"
    torch.save({"state_dict": {**weights["state_dict"], head: torch.zeros(9, 16, 1, 1)}}, other)
    names = [name for name in weights["state_dict"] if name.startswith("decode_head")]
    torch.save({"state_dict": {n: weights["state_dict"][n] for n in names}}, lacking)
    nothing = tmp_path / "nothing.py"
    nothing.write_text(f"_base_ = [{QUICKSTART!r}]\ntest_evaluator = None\n")
    same = tmp_path / "same.py"
    same.write_text(
        f"_base_ = [{QUICKSTART!r}]\n"
        "old = dict(type='anl_seg.SyntheticShapesDataset', pipeline=[], split='test', length=2)\n"
        "test_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', "
        "datasets=[old, {**old, 'seed': 1}]))\n"
    )
    for config, weights, more, words in (
        (QUICKSTART, checkpoint, ["--tta"], "--tta needs a tta_pipeline in the config"),
        (nothing, checkpoint, [], "the config has no test_evaluator"),
        (QUICKSTART, checkpoint, [f"--out={tmp_path / 'file'}"], "File exists"),
        (
            QUICKSTART,
            checkpoint,
            [f"--show-dir={tmp_path / 'show'}", *SMALL],
            "this data set has none",
        ),
        (same, checkpoint, [f"--out={tmp_path / 'same'}"], "0.png' have one name"),
        (QUICKSTART, broken, SMALL, r"broken.pth is damaged: it was cut off"),
        (QUICKSTART, other, SMALL, f"does not fit the config: it has other shapes of {head}"),
        (QUICKSTART, lacking, SMALL, "does not fit the config: it lacks backbone.*and 82 more"),
    ):
        with pytest.raises(SystemExit, match=words):
            test_command.main([str(config), str(weights), f"--work-dir={tmp_path / 'run'}", *more])


def test_weights_that_predict_nothing_may_be_missing_or_too_many(checkpoint, tmp_path):
    weights = torch.load(checkpoint)["state_dict"]
    path = tmp_path / "more.pth"
    torch.save({"state_dict": {**weights, "auxiliary_head.conv.weight": torch.zeros(1)}}, path)
    arguments = [QUICKSTART, str(path), f"--work-dir={tmp_path / 'run'}", *SMALL]
    runner = test_command.make_runner(test_command.parse_args(arguments))
    loaded = runner.model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
