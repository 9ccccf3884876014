"""What measures the training set takes each sample once, whatever wrappers repeat, balance or mix."""

from __future__ import annotations

import copy

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from anl_seg.config import (
    _walk,
    inject_noise,
    load_config,
    measure_memorization,
    measured_dataloader,
)
from anl_seg.engine.hooks import MemorizationHook
from anl_seg.registry import DATASETS

NOISE = dict(type="SymmetricNoise", rate=0.4)
SIZE = dict(type="Resize", scale=(16, 16))


@pytest.fixture(autouse=True)
def scope(monkeypatch):
    init_default_scope("mmseg")
    # mmengine collects garbage for a quarter of a second in every data set that it builds.
    monkeypatch.setattr("gc.collect", lambda *_: 0)


def shapes(length, *steps, **more):
    """A data set of small pictures; ``split`` tells one from another."""
    steps = [dict(type="anl_seg.LoadSyntheticShapes"), *steps]
    return dict(type="anl_seg.SyntheticShapesDataset", length=length, pipeline=steps, **more)


def repeated(dataset, times=40000):
    return dict(type="RepeatDataset", times=times, dataset=dataset)


def concatenated(*datasets, **more):
    return dict(type="ConcatDataset", datasets=list(datasets), **more)


def mixed(dataset, *steps):
    mosaic = dict(type="RandomMosaic", prob=1.0, img_scale=(16, 16))
    return dict(type="MultiImageMixDataset", dataset=dataset, pipeline=[mosaic, *steps])


PACK = dict(type="PackSegInputs")
WHOLE = (SIZE, dict(type="RandomFlip", prob=0.5), PACK)
SETS = {
    "repeated": (repeated(shapes(5, *WHOLE)), 5),
    "repeated twice": (repeated(repeated(shapes(5, *WHOLE))), 5),
    "balanced": (dict(type="ClassBalancedDataset", dataset=shapes(5, *WHOLE), oversample_thr=1), 5),
    "several repeated": (
        concatenated(repeated(shapes(5, *WHOLE)), repeated(shapes(3, *WHOLE, split="val"), 7)),
        8,
    ),
    "one listed twice": (concatenated(shapes(5, *WHOLE), shapes(5, *WHOLE)), 5),
    "mixed": (
        mixed(concatenated(repeated(shapes(5)), shapes(3, split="val")), *WHOLE),
        8,
    ),
    "a part": (repeated(shapes(5, *WHOLE, indices=[1, 3])), 2),
    "plain": (shapes(5, *WHOLE), 5),
}


def config(dataset):
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(
                data_preprocessor=dict(type="SegDataPreProcessor"),
                decode_head=dict(type="FCNHead", num_classes=6),
            ),
            train_dataloader=dict(
                batch_size=2, dataset=dataset, sampler=dict(type="InfiniteSampler")
            ),
        )
    )


def samples_of(loader, length):
    """(key, clean mask carried, size) of each sample of a data loader config."""
    dataset = DATASETS.build(loader["dataset"])
    assert len(dataset) == length
    samples = [dataset[i]["data_samples"] for i in range(length)]
    return {(s.img_path, "gt_sem_seg_clean" in s, s.gt_sem_seg.shape) for s in samples}


@pytest.mark.parametrize("name", SETS)
def test_memorization_and_estimates_visit_each_training_image_once(name):
    dataset, length = SETS[name]
    cfg = inject_noise(config(copy.deepcopy(dataset)), NOISE, keep_clean=True)
    before = cfg.train_dataloader.to_dict()
    measure_memorization(cfg)
    estimated = measured_dataloader(cfg, "train", "anchor_labels")
    for loader in (cfg.custom_hooks[0].dataloader, estimated):
        samples = samples_of(loader, length)
        assert len(samples) == length
        assert {(clean, size) for _, clean, size in samples} == {(True, (16, 16))}
    assert cfg.train_dataloader.to_dict() == before


@pytest.mark.parametrize("name", SETS)
def test_a_hook_written_by_hand_visits_each_image_once_too(name):
    dataset, length = SETS[name]
    loader = dict(dataset=dataset, batch_size=1)
    assert len(DATASETS.build(MemorizationHook(loader)._config["dataset"])) == length


def test_the_sets_of_mmseg_that_repeat_theirs_40000_times():
    for name in ("drive", "chase_db1"):
        path = f"mmseg::_base_/datasets/{name}.py"
        cfg = load_config(path)
        assert cfg.train_dataloader.dataset.times == 40000
        (leaf,) = _walk.unwrapped(cfg.train_dataloader.dataset)
        assert leaf == cfg.train_dataloader.dataset.dataset
        assert _walk.joined([leaf], cfg.train_dataloader.dataset) is leaf


def test_what_a_concatenation_does_not_compare_stays_so():
    keys = ["palette"]
    both = repeated(concatenated(shapes(2), shapes(3, split="val"), ignore_keys=keys))
    assert _walk.joined(_walk.unwrapped(both), both)["ignore_keys"] == keys
