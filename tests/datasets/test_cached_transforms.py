"""Caching the deterministic start of a pipeline, against running it every time."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config

from anl_seg.config import cache_samples, inject_noise, load_config
from anl_seg.datasets.transforms import CachedTransforms
from anl_seg.registry import DATASETS, TRANSFORMS

QUICKSTART = "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"


@TRANSFORMS.register_module()
class CountedFlip:
    """Draws at random, and changes the mask in place."""

    calls = 0

    def __init__(self, rng_seed: int = 0) -> None:
        self._rng = np.random.RandomState(rng_seed)

    def __call__(self, results: dict) -> dict:
        CountedFlip.calls += 1
        if self._rng.random() < 0.5:
            results["gt_seg_map"][:] = results["gt_seg_map"][:, ::-1].copy()
        return results


def config() -> Config:
    cfg = load_config(QUICKSTART)
    cfg.train_dataloader.dataset.length = 4
    inject_noise(cfg, dict(type="SymmetricNoise", rate=0.4), keep_clean=True)
    return cfg


def masks(cfg: Config, order: list[int]) -> list[np.ndarray]:
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    return [dataset[i]["data_samples"].gt_sem_seg.data.numpy() for i in order]


def test_the_samples_are_the_same_and_made_once(monkeypatch):
    order = [0, 1, 2, 3, 1, 0]
    expected = masks(config(), order)
    cached = cache_samples(config())
    (step,) = cached.train_dataloader.dataset.pipeline
    assert step["type"] == "anl_seg.CachedTransforms"
    loads = []
    original = CachedTransforms.transform

    def counted(self, results):
        loads.append(results["sample_idx"] not in self._samples)
        return original(self, results)

    monkeypatch.setattr(CachedTransforms, "transform", counted)
    for got, wanted in zip(masks(cached, order), expected):
        np.testing.assert_array_equal(got, wanted)
    assert loads == [True] * 4 + [False] * 2


def test_random_transforms_run_each_time_on_a_copy():
    def with_flip() -> Config:
        cfg = config()
        cfg.train_dataloader.dataset.pipeline.insert(2, dict(type="anl_seg.CountedFlip"))
        return cfg

    order = [0, 1] * 6
    expected = masks(with_flip(), order)
    cfg = cache_samples(with_flip())
    kinds = [step["type"] for step in cfg.train_dataloader.dataset.pipeline]
    assert kinds[:2] == ["anl_seg.CachedTransforms", "anl_seg.CountedFlip"]
    CountedFlip.calls = 0
    for got, wanted in zip(masks(cfg, order), expected):
        np.testing.assert_array_equal(got, wanted)
    assert CountedFlip.calls == len(order)


def test_a_dropped_sample_stays_dropped():
    step = CachedTransforms([])
    step.transforms = [lambda results: None]
    assert step({"sample_idx": 0}) is None
    assert step({"sample_idx": 0}) is None


def test_what_cannot_be_cached_is_told():
    with pytest.raises(ValueError, match="no train_dataloader"):
        cache_samples(Config(dict()))
    cfg = config()
    cfg.train_dataloader.update(num_workers=1, persistent_workers=False)
    with pytest.raises(ValueError, match="persistent_workers=True"):
        cache_samples(cfg)
    cfg = config()
    cfg.train_dataloader.dataset.pipeline.insert(0, dict(type="anl_seg.CountedFlip"))
    with pytest.raises(ValueError, match="no deterministic transform at the start"):
        cache_samples(cfg)
