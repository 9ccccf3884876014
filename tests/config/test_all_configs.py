"""Every config parses and builds on the installed family."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, HOOKS, METRICS, MODELS

from anl_seg.config import load_config, noisy_pipelines
from anl_seg.config._walk import as_list, heads, pipelines

ROOT = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("[!_]*/*.py"))
LOSSES = {"ce": "CELoss", "mae": "MAELoss", "sce": "SCELoss", "anl": "ANLCELoss"}


def test_every_data_set_and_model_is_there():
    assert {c.split("/")[0] for c in CONFIGS} == {
        "ade20k",
        "cityscapes",
        "isic2017",
        "jsrt",
        "loveda",
        "quickstart",
        "voc12aug",
    }
    for folder in ("ade20k", "cityscapes", "loveda", "voc12aug"):
        names = [c for c in CONFIGS if c.startswith(f"{folder}/")]
        models = {c.split("/")[1].split("_")[0] for c in names}
        assert models == {"unet-s5-d16", "deeplabv3plus", "upernet", "segformer"}
        assert len(names) == 8


@pytest.mark.parametrize("path", CONFIGS)
def test_config_builds(path):
    cfg = load_config(str(ROOT / path))
    init_default_scope(cfg.default_scope)

    # The name says what the config holds.
    stem = Path(path).stem
    loss = next(part for part in stem.split("_") if part.split("-")[0] in LOSSES)
    found = {entry.type for _, h in heads(cfg.model) for entry in as_list(h.loss_decode)}
    assert found == {f"anl_seg.{LOSSES[loss.split('-')[0]]}"}
    has_noise = "symmetric" in stem or "alpha" in stem
    leaves = 2 if path.startswith("voc12aug") else 1
    assert noisy_pipelines(cfg.train_dataloader) == (leaves if has_noise else 0)
    assert len(list(pipelines(cfg.train_dataloader.dataset))) == leaves

    # Weights are neither loaded nor, where the model allows it, allocated.
    cfg.model.pretrained = None
    cfg.model.backbone.init_cfg = None
    with torch.device("cpu" if "segformer" in stem else "meta"):
        model = MODELS.build(cfg.model)
    classes = {head.num_classes for _, head in heads(cfg.model)}
    assert {
        module.num_classes
        for module in model.children()
        if module is not model.backbone and hasattr(module, "num_classes")
    } == classes
    for owner in pipelines(cfg.train_dataloader.dataset):
        steps = Compose(owner.pipeline).transforms
        noise = [step for step in steps if type(step).__name__ == "CorruptMask"]
        assert {step.num_classes for step in noise} <= classes
    assert len(classes) == 1
    assert build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    for hook in [*cfg.default_hooks.values(), *cfg.get("custom_hooks", [])]:
        assert HOOKS.get(hook.type) is not None
    assert METRICS.build(cfg.val_evaluator) is not None
    assert all(DATASETS.get(d.type) is not None for d in pipelines(cfg.train_dataloader.dataset))
