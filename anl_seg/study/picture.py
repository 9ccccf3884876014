"""A picture of what runs predict on training images with wrong masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmseg.registry import DATASETS, MODELS

from anl_seg.engine import allow_mmengine_checkpoints
from anl_seg.study.escapes import drawn_text
from anl_seg.study.plan import StudyRun
from anl_seg.study.run_config import config_values
from anl_seg.study.run_record import run_labels

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def measured_dataset(cfg: Config) -> BaseDataset:
    """The training images, noisy and clean mask in each sample, as MemorizationHook measures them."""
    hook = next(h for h in cfg.custom_hooks if h["type"] == "anl_seg.MemorizationHook")
    return DATASETS.build(hook["dataloader"]["dataset"])


def _measured_samples(cfg: Config, indices: Sequence[int]) -> tuple[list[dict], np.ndarray]:
    """Packed training samples, and the palette."""
    dataset = measured_dataset(cfg)
    return [dataset[i] for i in indices], np.array(dataset.metainfo["palette"], dtype=np.uint8)


@torch.no_grad()
def predict(cfg: Config, checkpoint: Path, samples: Sequence[dict]) -> list[np.ndarray]:
    """(H, W) classes of each packed sample, by a model with the weights of a checkpoint."""
    model = MODELS.build(cfg.model)
    load_checkpoint(model, str(checkpoint), map_location="cpu", logger="silent")
    model.eval()
    predictions = []
    for sample in samples:
        batch = {"inputs": [sample["inputs"]], "data_samples": [sample["data_samples"].clone()]}
        predictions.append(model.test_step(batch)[0].pred_sem_seg.data[0].numpy())
    return predictions


def _checkpoint(run: StudyRun) -> Path:
    return Path((run.folder / "last_checkpoint").read_text(encoding="utf-8").strip())


def draw_predictions(runs: Sequence[StudyRun], path: str | Path, *, samples: int = 3) -> Path:
    """Draw image, clean mask, noisy mask and each run's prediction, a row per training image.

    Models and data are built from the planned configs; those in the folders of the runs are not read.

    Args:
        runs: finished runs, with their configs, over the same data set and noise.
        path: PNG file to write; its folder must exist.
        samples: number of rows.

    Returns:
        ``path``.
    """
    allow_mmengine_checkpoints()
    configs = [Config(config_values(run.config)) for run in runs]
    init_default_scope("mmseg")
    packed, palette = _measured_samples(configs[0], range(samples))
    columns = {
        "image": [p["inputs"].numpy().transpose(1, 2, 0)[..., ::-1] for p in packed],
        "clean mask": [palette[p["data_samples"].gt_sem_seg_clean.data[0].numpy()] for p in packed],
        "noisy mask": [palette[p["data_samples"].gt_sem_seg.data[0].numpy()] for p in packed],
    }
    for run, cfg, label in zip(runs, configs, run_labels([run.axes for run in runs])):
        predictions = predict(cfg, _checkpoint(run), packed)
        columns[label] = [palette[p] for p in predictions]
    figure, axes = plt.subplots(
        samples, len(columns), figsize=(2 * len(columns), 2 * samples + 0.3), squeeze=False
    )
    for column, (title, pictures) in enumerate(columns.items()):
        axes[0, column].set_title(drawn_text(title), fontsize=10)
        for row, picture in enumerate(pictures):
            axes[row, column].imshow(picture, interpolation="nearest")
            axes[row, column].set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return Path(path)
