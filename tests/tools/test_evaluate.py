"""tools/test.py: the score of a checkpoint, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

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


def test_writes_the_metrics(evaluate, checkpoint, tmp_path):
    evaluate.main([QUICKSTART, checkpoint, f"--work-dir={tmp_path / 'run'}", *SMALL])
    metrics = next((tmp_path / "run").glob("*/*.json")).read_text()
    assert '"mIoU"' in metrics
    assert '"Dice.cross"' in metrics


def test_missing_checkpoint_is_named(evaluate):
    with pytest.raises(SystemExit, match=r"test.py: no checkpoint at 'nothing.pth'"):
        evaluate.main([QUICKSTART, "nothing.pth"])


def test_corrupted_test_masks_are_refused_unless_meant(evaluate, checkpoint, corrupted):
    config = corrupted("test_dataloader")
    with pytest.raises(SystemExit, match="the test masks are corrupted"):
        evaluate.main([config, checkpoint])
    cfg = evaluate.build_config(evaluate.parse_args([config, checkpoint, "--allow-noisy-eval"]))
    assert cfg.test_dataloader.dataset.pipeline[1].type == "anl_seg.CorruptMask"
