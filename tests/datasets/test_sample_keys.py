"""Samples that would share a key, and with it their noise, are refused wherever noise is put in."""

from __future__ import annotations

import copy
import io
import logging
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image
from rich.console import Console

from anl_seg.cli import main
from anl_seg.config import inject_noise
from anl_seg.corruption import config_source, corrupt_dataset, folder_source, verify_manifest
from anl_seg.datasets.transforms import CorruptMask
from anl_seg.engine.hooks import NoiseStatisticsHook
from anl_seg.evaluation import NoisyIoUMetric
from anl_seg.noise import sample_key

NOISE = dict(type="AlphaBetaNoise", alpha=0.5, beta=0.5)
SHARED = r"two samples have the key 'labels/mask\.png'.*'.*{}.labels.mask\.png' and '.*{}.labels.mask\.png'"
REMEDY = (
    r".*noise_key_parts = 3 at the top of the config, CorruptMask\(key_parts=3\), or --key-parts 3"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    init_default_scope("mmseg")
    # mmengine collects garbage for a quarter of a second in every data set that it builds.
    monkeypatch.setattr("gc.collect", lambda *_: 0)


@pytest.fixture
def cases(tmp_path):
    """``<case>/labels/mask.png`` of eight cases, and images that lie alike elsewhere."""
    for i in range(8):
        mask = np.zeros((32, 32), np.uint8)
        mask[8 + i : 20 + i, 6:22] = 1
        for kind in ("cases", "images"):
            folder = tmp_path / kind / f"case{i}" / "labels"
            folder.mkdir(parents=True)
            Image.fromarray(mask).save(folder / "mask.png")
    return tmp_path / "cases"


def dataset(cases, numbers=range(8)):
    """A config of mmseg's kind: a list of names, and folders of images and masks."""
    listed = cases / f"{min(numbers)}.txt"
    listed.write_text("".join(f"case{i}/labels/mask\n" for i in numbers))
    return dict(
        type="BaseSegDataset",
        data_root=str(cases),
        ann_file=str(listed),
        img_suffix=".png",
        seg_map_suffix=".png",
        data_prefix=dict(img_path=str(cases.with_name("images")), seg_map_path=""),
        metainfo=dict(classes=("no", "yes")),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations"),
            dict(type="PackSegInputs"),
        ],
    )


def config(dataset, **settings):
    head = dict(type="FCNHead", num_classes=2)
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(decode_head=head),
            train_dataloader=dict(dataset=dataset),
            **settings,
        )
    )


def noisy(cases, numbers=range(8), **settings):
    cfg = inject_noise(config(dataset(cases, numbers), **settings), NOISE)
    return DATASETS.build(cfg.train_dataloader.dataset)


def before_train(tmp_path, dataset):
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=dataset),
        work_dir=str(tmp_path),
        logger=logging.getLogger("test_sample_keys"),
    )
    NoiseStatisticsHook().before_train(runner)


def test_online_they_are_found_before_training_and_without_a_hook_at_the_second_sample(
    cases, tmp_path
):
    shared = noisy(cases)
    with pytest.raises(ValueError, match=SHARED.format("case0", "case1") + REMEDY):
        before_train(tmp_path, shared)
    assert not (tmp_path / "noise_statistics.json").exists()
    shared = noisy(cases)
    for _ in range(2):
        shared[3]  # the same sample again is no other one
    with pytest.raises(ValueError, match=SHARED.format("case3", "case5")):
        shared[5]
    longer = noisy(cases, noise_key_parts=3)
    before_train(tmp_path, longer)
    assert len({longer[i]["data_samples"].seg_map_path for i in range(8)}) == 8


def test_the_noise_differs_between_samples_as_soon_as_their_keys_do(cases, tmp_path):
    source = folder_source(cases, num_classes=2, key_parts=3)
    out = tmp_path / "out"
    _, manifest = corrupt_dataset(
        source, dict(type="SymmetricNoise", rate=0.5), out, console=Console(file=io.StringIO())
    )
    assert len({record["changed_pixels"] for record in manifest["files"]}) > 4
    assert manifest["key_parts"] == 3
    assert verify_manifest(out / "manifest.json", console=Console(file=io.StringIO())).clean


def test_two_data_sets_that_share_keys_are_told_of_and_not_refused(cases, tmp_path, monkeypatch):
    said = []
    for module in ("anl_seg.datasets._built", "anl_seg.corruption.sources"):
        monkeypatch.setattr(f"{module}.print_log", lambda text, **_: said.append(text))
    both = dict(type="ConcatDataset", datasets=[dataset(cases, [i]) for i in (2, 6)])
    cfg = inject_noise(config(copy.deepcopy(both)), NOISE)
    before_train(tmp_path, DATASETS.build(cfg.train_dataloader.dataset))
    config_source(config(both)).check_keys()
    assert len(said) == 2
    for text in said:
        assert text.startswith(
            "of two of the data sets, two samples have the key 'labels/mask.png'"
        )
    del cfg.train_dataloader.dataset.datasets[0]
    before_train(tmp_path, DATASETS.build(cfg.train_dataloader.dataset))
    assert len(said) == 2


def test_a_data_set_for_each_case_whose_masks_are_named_alike_is_refused(cases, tmp_path):
    each = dict(type="ConcatDataset", datasets=[dataset(cases, [i]) for i in (2, 4, 6)])
    told = "number of keys for 3 samples: 1; .*" + SHARED.format("case2", "case4")
    cfg = inject_noise(config(copy.deepcopy(each)), NOISE)
    with pytest.raises(ValueError, match=told):
        before_train(tmp_path, DATASETS.build(cfg.train_dataloader.dataset))
    with pytest.raises(ValueError, match=told):
        config_source(config(each)).check_keys()


class Keyed:
    """A user's transform that gives each sample a key of its own."""

    def __call__(self, results):
        return {**results, "sample_key": sample_key(results["seg_map_path"], 4)}


def test_keys_that_a_transform_gives_count(cases, tmp_path):
    TRANSFORMS.register_module(name="Keyed", module=Keyed, force=True)
    cfg = inject_noise(config(dataset(cases)), NOISE)
    cfg.train_dataloader.dataset.pipeline.insert(0, dict(type="Keyed"))
    built = DATASETS.build(cfg.train_dataloader.dataset)
    before_train(tmp_path, built)
    assert len([built[i] for i in range(8)]) == 8


def test_keys_of_the_data_set_itself_are_told_of_in_its_own_words():
    corrupt = CorruptMask(NOISE, num_classes=2)
    mask = np.zeros((8, 8), np.uint8)
    corrupt(dict(gt_seg_map=mask, sample_key="a", seg_map_path="x/1.png"))
    with pytest.raises(ValueError, match=r"key 'a'.*Each sample needs a 'sample_key' of its own"):
        corrupt(dict(gt_seg_map=mask, sample_key="a", seg_map_path="x/2.png"))


def test_the_metric_of_noisy_labels_refuses_them_too():
    import torch

    metric = NoisyIoUMetric(noise=NOISE)
    metric.dataset_meta = dict(classes=("no", "yes"))
    label = torch.zeros(1, 8, 8, dtype=torch.int64)
    samples = [
        dict(
            gt_sem_seg=dict(data=label),
            pred_sem_seg=dict(data=label),
            seg_map_path=f"case{i}/labels/mask.png",
        )
        for i in range(2)
    ]
    with pytest.raises(ValueError, match=SHARED.replace("'.*{}", "'{}").format("case0", "case1")):
        metric.process({}, samples)
    metric = NoisyIoUMetric(noise=NOISE, key_parts=3)
    metric.dataset_meta = dict(classes=("no", "yes"))
    metric.process({}, samples)


def test_corruptor_and_browser_refuse_them_before_anything_is_written(cases, tmp_path):
    out = tmp_path / "out"
    path = tmp_path / "config.py"
    config(dataset(cases)).dump(path)
    folders = ["--masks", str(cases), "--num-classes", "2"]
    noise = ["--noise", "AlphaBetaNoise:alpha=0.5,beta=0.5", "--out", str(out)]
    for name, more in (
        ("corrupt", []),
        ("browse", []),
        ("browse", ["--stats"]),
    ):
        for source in (folders, [str(path)]):
            with pytest.raises(
                SystemExit, match="two samples.*have the key 'labels/mask.png'" + REMEDY
            ):
                main([name, *source, *noise, *more])
            assert not out.exists()
    for source in ([str(path)], folders):
        main(["corrupt", *source, *noise, "--key-parts", "3", "--jobs", "1"])
        assert len(list(out.rglob("*.png"))) == 8
        out = tmp_path / "other"
        noise[-1] = str(out)


def test_settings_that_contradict_each_other_are_refused(cases):
    cfg = inject_noise(config(dataset(cases), noise_key_parts=3), NOISE)
    with pytest.raises(ValueError, match="CorruptMask has key_parts=3, not 4"):
        config_source(cfg, key_parts=4)
    with pytest.raises(ValueError, match="noise_key_parts must be an integer of at least 1, got 0"):
        inject_noise(config(dataset(cases), noise_key_parts=0), NOISE)
