"""Configs with corrupted masks, and a tiny data set in ADE20K's layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")


@pytest.fixture
def corrupted(tmp_path):
    """Writes the quickstart config with the masks of one data loader corrupted."""

    def write(dataloader):
        path = tmp_path / f"noisy_{dataloader}.py"
        noise = "noise=dict(type='PairNoise', rate=0.1), num_classes=6"
        path.write_text(
            f"_base_ = [{QUICKSTART!r}]\n"
            f"{dataloader} = dict(dataset=dict(pipeline=["
            "dict(type='anl_seg.LoadSyntheticShapes'), "
            f"dict(type='anl_seg.CorruptMask', {noise}), dict(type='PackSegInputs')]))\n"
        )
        return str(path)

    return write


@pytest.fixture
def tiny_ade(tmp_path):
    """Four images of 64 x 64 with masks of labels 0 (= unlabeled) to 150."""
    root = tmp_path / "ade"
    rng = np.random.RandomState(0)
    for split in ("training", "validation"):
        for kind in ("images", "annotations"):
            (root / kind / split).mkdir(parents=True)
        for i in range(4):
            image = rng.randint(0, 256, (64, 64, 3)).astype(np.uint8)
            mask = rng.randint(0, 151, (4, 4)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
            cv2.imwrite(str(root / "images" / split / f"{i}.jpg"), image)
            cv2.imwrite(str(root / "annotations" / split / f"{i}.png"), mask)
    return root
