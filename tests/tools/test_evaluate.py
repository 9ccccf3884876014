"""tools/test.py: the score of a checkpoint, and refusals."""

from __future__ import annotations

import importlib.util
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
def tool():
    spec = importlib.util.spec_from_file_location("anl_seg_tool_test", ROOT / "tools" / "test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkpoint(tmp_path):
    init_default_scope("mmseg")
    model = MODELS.build(load_config(QUICKSTART).model)
    path = tmp_path / "model.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)
    return str(path)


def test_writes_the_metrics(tool, checkpoint, tmp_path):
    tool.main([QUICKSTART, checkpoint, f"--work-dir={tmp_path / 'run'}", *SMALL])
    metrics = next((tmp_path / "run").glob("*/*.json")).read_text()
    assert '"mIoU"' in metrics
    assert '"Dice.cross"' in metrics


def test_missing_checkpoint_is_named(tool):
    with pytest.raises(SystemExit, match=r"test.py: no checkpoint at 'nothing.pth'"):
        tool.main([QUICKSTART, "nothing.pth"])


def test_corrupted_test_masks_are_refused_unless_meant(tool, checkpoint, tmp_path):
    config = tmp_path / "noisy.py"
    corrupt = (
        "dict(type='anl_seg.CorruptMask', noise=dict(type='PairNoise', rate=0.1), num_classes=6)"
    )
    config.write_text(
        f"_base_ = [{QUICKSTART!r}]\n"
        "test_dataloader = dict(dataset=dict(pipeline=["
        f"dict(type='anl_seg.LoadSyntheticShapes'), {corrupt}, dict(type='PackSegInputs')]))\n"
    )
    with pytest.raises(SystemExit, match="the test masks are corrupted"):
        tool.main([str(config), checkpoint])
    cfg = tool.build_config(tool.parse_args([str(config), checkpoint, "--allow-noisy-eval"]))
    assert cfg.test_dataloader.dataset.pipeline[1].type == "anl_seg.CorruptMask"
