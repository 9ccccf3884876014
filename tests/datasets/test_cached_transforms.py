"""Caching the deterministic start of a pipeline, against running it every time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from anl_seg.config import cache_samples, inject_noise, load_config
from anl_seg.datasets.transforms import CachedTransforms
from anl_seg.registry import DATASETS, TRANSFORMS

QUICKSTART = "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"


@TRANSFORMS.register_module()
class CountedFlip:
    """Draws at random, and changes the masks in place."""

    calls = 0

    def __init__(self, rng_seed: int = 0) -> None:
        self._rng = np.random.RandomState(rng_seed)

    def __call__(self, results: dict) -> dict:
        CountedFlip.calls += 1
        if self._rng.random() < 0.5:
            for key in results["seg_fields"]:
                results[key][:] = results[key][:, ::-1].copy()
        return results


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """mmengine collects garbage for a quarter of a second in every data set that it builds."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


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


# --- several data sets, and what wrappers draw ---


def shapes(*steps, **more):
    load = dict(type="anl_seg.LoadSyntheticShapes")
    return dict(type="anl_seg.SyntheticShapesDataset", pipeline=[load, *steps], **more)


def images(cfg: Config, order: list[int]) -> list[np.ndarray]:
    np.random.seed(3)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    return [dataset[i]["img"] for i in order]


def concatenated(*datasets):
    return dict(type="ConcatDataset", datasets=list(datasets))


FLIP = dict(type="RandomFlip", prob=0.5)
RESIZE = dict(type="Resize", scale=(64, 64))
TWO = concatenated(shapes(length=3), shapes(length=3, split="val"))
SETS = {
    "concatenated": TWO,
    "a part beside another": concatenated(
        shapes(length=6, indices=[4, 1]), shapes(length=6, indices=[0, 5])
    ),
    "repeated": dict(type="RepeatDataset", times=3, dataset=TWO),
    "mixed": dict(type="MultiImageMixDataset", dataset=TWO, pipeline=[RESIZE]),
    "mixed, with a flip inside": dict(
        type="MultiImageMixDataset",
        dataset=concatenated(shapes(FLIP, length=3), shapes(FLIP, length=3, split="val")),
        pipeline=[RESIZE],
    ),
    "a mixture of mixtures": dict(
        type="MultiImageMixDataset",
        dataset=dict(type="MultiImageMixDataset", dataset=TWO, pipeline=[RESIZE, FLIP]),
        pipeline=[RESIZE],
    ),
    "a user's own resize": shapes(dict(type="anl_seg.Resize"), length=6),
}


@TRANSFORMS.register_module(name="Resize")
class RandomlyDarker:
    """A user's transform under a name that mmseg has too."""

    def __call__(self, results: dict) -> dict:
        results["img"] = results["img"] // np.random.randint(1, 5)
        return results


@pytest.mark.parametrize("name", SETS)
def test_each_data_set_keeps_its_own_samples_and_chance_stays_chance(name):
    init_default_scope("mmseg")
    plain = Config(dict(train_dataloader=dict(dataset=SETS[name])))
    cached = cache_samples(copy.deepcopy(plain))
    assert "anl_seg.CachedTransforms" in str(cached.train_dataloader.dataset)
    order = [0, 1, 2, 3, 4, 5] * 3 if "part" not in name else [0, 1, 2, 3] * 3
    for got, wanted in zip(images(cached, order), images(plain, order)):
        np.testing.assert_array_equal(got, wanted)


def test_data_sets_that_share_the_transform_share_no_samples():
    step = CachedTransforms([dict(type="anl_seg.LoadSyntheticShapes")])
    sets = [dict(shapes(length=2, split=split), pipeline=[step]) for split in ("train", "val")]
    one, other = map(DATASETS.build, sets)
    for _ in range(2):
        for i in range(2):
            assert one[i]["sample_key"] != other[i]["sample_key"]


def test_a_loaded_sample_is_no_place_to_start_from():
    step = CachedTransforms([])
    for key in ("img", "gt_seg_map", "mix_results"):
        with pytest.raises(
            ValueError, match=f"{key!r} already.*start of a data set's own pipeline"
        ):
            step({"sample_idx": 0, key: None})


def test_memory_is_bounded_and_that_is_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(
        "anl_seg.datasets.transforms.cached_transforms.print_log",
        lambda text, **_: said.append(text),
    )
    step = CachedTransforms([dict(type="anl_seg.LoadSyntheticShapes")], max_gib=40_000 / 2**30)
    dataset = DATASETS.build(dict(shapes(length=5), pipeline=[step]))  # 16 KiB each
    for _ in range(2):
        for i in range(5):
            assert dataset[i]["img"].shape == (64, 64, 3)
    assert sum(map(len, step._samples.values())) == 2
    assert len(said) == 1
    assert "are full" in said[0]
    with pytest.raises(ValueError, match="max_gib must lie in"):
        CachedTransforms([], max_gib=-1)
