from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.utils import register_all_modules


@pytest.fixture
def mmseg_scope():
    """What a config with default_scope='mmseg' sees."""
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


@pytest.fixture(params=[0, 2])
def build_loader(request, mmseg_scope):
    """Build a data loader from a dataset config, in this process and with 2 workers."""

    def build(dataset: dict, batch_size: int = 2):
        loader = {
            "batch_size": batch_size,
            "num_workers": request.param,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "dataset": dataset,
        }
        return Runner.build_dataloader(loader)

    return build


@pytest.fixture
def write_image():
    """Write an array as an image file, making its folders."""

    def write(path: Path, array: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), array)
        return path

    return write
