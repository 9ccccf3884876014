"""Every config parses, holds what its name says, and builds and predicts on the installed family."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, HOOKS, METRICS, MODELS
from mmseg.structures import SegDataSample

from anl_seg.config import load_config, noisy_evaluation, noisy_pipelines
from anl_seg.config._walk import as_list, heads, loads_seg_map, pipelines
from anl_seg.config.anl_schedule import ANL_SCHEDULE

ROOT = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("[!_]*/*.py"))
LOSSES = {
    "ce": "CELoss",
    "mae": "MAELoss",
    "sce": "SCELoss",
    "anl": "ANLCELoss",
    "nlnl": "NLNLLoss",
    "adaptive": "AdaptiveLoss",
}
CLASSES = {
    "ade20k": 150,
    "cityscapes": 19,
    "isic2017": 2,
    "jsrt": 4,
    "long_tail": 43,
    "loveda": 7,
    "quickstart": 6,
    "voc12aug": 21,
}
BACKBONES = {
    "unet-small": "UNet",
    "unet-s5-d16": "UNet",
    "deeplabv3plus": "ResNetV1c",
    "upernet": "ResNetV1c",
    "segformer": "MixVisionTransformer",
}


def load(path):
    cfg = load_config(str(ROOT / path))
    init_default_scope(cfg.default_scope)
    return cfg


def build_model(cfg):
    """The segmentor on the meta device: weights are not loaded, nor allocated where that can be."""
    cfg.model.pretrained = None
    cfg.model.backbone.init_cfg = None
    transformer = (
        cfg.model.backbone.type == "MixVisionTransformer"
    )  # asks for values as it is built
    with torch.device("cpu" if transformer else "meta"):
        return MODELS.build(cfg.model).to("meta")


def test_every_data_set_and_model_is_there():
    assert {c.split("/")[0] for c in CONFIGS} == set(CLASSES)
    for folder in ("ade20k", "cityscapes", "loveda", "voc12aug"):
        names = [c for c in CONFIGS if c.startswith(f"{folder}/")]
        models = {c.split("/")[1].split("_")[0] for c in names}
        assert models == {"unet-s5-d16", "deeplabv3plus", "upernet", "segformer"}
        assert len(names) == 8


@pytest.mark.parametrize("path", CONFIGS)
def test_the_name_says_what_the_config_holds(path):
    cfg = load(path)
    folder, stem = path.removesuffix(".py").split("/")
    name = stem.split("_")
    assert cfg.model.backbone.type == BACKBONES[name[0]]

    schedule = next(p for p in name if re.fullmatch(r"\d+k?", p))
    iterations = cfg.train_cfg.max_iters
    assert schedule in (str(iterations), f"{iterations // 1000}k")
    assert all(s.end == iterations for s in cfg.param_scheduler[-1:])

    loss = next(p for p in name if p.split("-")[0] in LOSSES)
    for part, head in heads(cfg.model):
        for entry in as_list(head.loss_decode):
            assert entry.type == f"anl_seg.{LOSSES[loss.split('-')[0]]}"
            assert entry.get("loss_weight", 1.0) == (0.4 if part == "auxiliary_head" else 1.0)
        assert head.num_classes == CLASSES[folder]

    noise = None
    if found := re.search(r"_symmetric([\d.]+)_", stem):
        noise = dict(type="SymmetricNoise", rate=float(found[1]))
    elif found := re.search(r"_alpha([\d.]+)-beta([\d.]+)_", stem):
        noise = dict(type="AlphaBetaNoise", alpha=float(found[1]), beta=float(found[2]))
    leaves = list(pipelines(cfg.train_dataloader.dataset))
    assert len(leaves) == (2 if folder == "voc12aug" else 1)
    assert noisy_pipelines(cfg.train_dataloader) == (0 if noise is None else len(leaves))
    for leaf in leaves if noise else []:
        at = [step.type for step in leaf.pipeline].index("anl_seg.CorruptMask")
        assert loads_seg_map(leaf.pipeline[at - 1])
        assert leaf.pipeline[at].noise.to_dict() == noise
        assert leaf.pipeline[at].num_classes == CLASSES[folder]
    assert noisy_evaluation(cfg) == []

    size = tuple(map(int, name[-1].rsplit("-", 1)[1].split("x")))
    if "size" in cfg.model.data_preprocessor:
        assert tuple(cfg.model.data_preprocessor.size) == size
    for leaf in leaves:
        for step in leaf.pipeline:
            if step.type in ("RandomCrop", "Resize"):
                assert tuple(step.get("crop_size") or step.scale) == size


@pytest.mark.parametrize("path", [p for p in CONFIGS if "_anl-ce_" in p])
def test_the_variant_of_cross_entropy_changes_the_loss_and_its_schedule_alone(path):
    cfg, base = load(path), load(path.replace("_anl-ce_", "_ce_"))
    assert cfg.pop("custom_hooks") == list(ANL_SCHEDULE)
    for _, head in [*heads(cfg.model), *heads(base.model)]:
        head.loss_decode = None
    assert cfg.to_dict() == base.to_dict()


@pytest.mark.parametrize("path", CONFIGS)
def test_config_builds(path):
    cfg = load(path)
    model = build_model(cfg)
    assert model.decode_head.num_classes == CLASSES[path.split("/")[0]]
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        for owner in pipelines(dataloader.dataset):
            assert len(Compose(owner.pipeline).transforms) == len(owner.pipeline)
            assert DATASETS.get(owner.type) is not None
    assert build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    for hook in [*cfg.default_hooks.values(), *cfg.get("custom_hooks", [])]:
        assert HOOKS.get(hook.type) is not None
    assert METRICS.build(cfg.val_evaluator) is not None
    assert METRICS.build(cfg.test_evaluator) is not None


#: The others differ from these in classes and size alone.
PREDICTING = ("cityscapes", "isic2017", "loveda", "quickstart")


@pytest.mark.parametrize("path", [p for p in CONFIGS if "_ce_" in p and p.startswith(PREDICTING)])
def test_predicts_at_the_size_that_the_test_pipeline_gives(path, monkeypatch):
    """A long and narrow image, which sliding windows and strides have to fit."""
    cfg = load(path)
    sample = dict(img=np.zeros((77, 640, 3), np.uint8), img_shape=(77, 640), ori_shape=(77, 640))
    for step in cfg.val_dataloader.dataset.pipeline:
        if step.type == "Resize":
            sample = Compose([step])(sample)
    keys = ("img_shape", "ori_shape")
    batch = dict(
        inputs=[torch.from_numpy(sample["img"]).permute(2, 0, 1).contiguous()],
        data_samples=[SegDataSample(metainfo={key: sample[key] for key in keys})],
    )
    batch = MODELS.build(cfg.model.data_preprocessor)(batch, training=False)
    inputs, metas = batch["inputs"], [s.metainfo for s in batch["data_samples"]]

    model = build_model(cfg).eval()
    encode_decode = model.encode_decode
    monkeypatch.setattr(
        model,
        "encode_decode",
        lambda x, metas: torch.zeros(encode_decode(x.to("meta"), metas).shape),
    )
    logits = model.inference(inputs, metas)
    assert logits.shape == (1, CLASSES[path.split("/")[0]], *inputs.shape[2:])
    assert model.postprocess_result(logits, batch["data_samples"])[0].pred_sem_seg.shape == (
        77,
        640,
    )
