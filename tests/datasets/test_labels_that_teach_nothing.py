"""Masks of 0 and 255, and others that hold no two classes, are told of by all that uses them."""

from __future__ import annotations

import io
import logging
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image
from rich.console import Console

from anl_seg.cli import main
from anl_seg.config import inject_noise
from anl_seg.corruption import config_source, corrupt_dataset, folder_source
from anl_seg.engine.hooks import LabelCheckHook, NoiseStatisticsHook
from anl_seg.noise.label_counts import LabelCounts

NOISE = dict(type="SymmetricNoise", rate=0.2)
HELD = "all 4 masks looked at hold class 0 and ignore_index=255 alone: nothing can be learned"
REMEDY = r"anl_seg.LoadAnnotationsByValue', values=(0, 255)"


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """What is logged; and no garbage collected in every data set that is built."""
    init_default_scope("mmseg")
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    lines = []
    for module in ("anl_seg.datasets._built", "anl_seg.corruption.sources"):
        monkeypatch.setattr(f"{module}.print_log", lambda text, **_: lines.append(text))
    return lines


@pytest.fixture
def folder(tmp_path):
    def write(inside=255, count=4):
        root = tmp_path / f"values{inside}"
        for kind in ("img", "ann"):
            (root / kind).mkdir(parents=True)
        for i in range(count):
            mask = np.zeros((32, 32), np.uint8)
            mask[4 + i : 12 + i, 6:22] = inside
            Image.fromarray(mask).save(root / "ann" / f"{i}.png")
            Image.fromarray(mask).convert("RGB").save(root / "img" / f"{i}.png")
        return root

    return write


def config(root, **load):
    load = load or dict(type="LoadAnnotations")
    dataset = dict(
        type="BaseSegDataset",
        data_root=str(root),
        img_suffix=".png",
        data_prefix=dict(img_path="img", seg_map_path="ann"),
        metainfo=dict(classes=("no", "yes")),
        pipeline=[dict(type="LoadImageFromFile"), load, dict(type="PackSegInputs")],
    )
    head = dict(type="FCNHead", num_classes=2)
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(decode_head=head),
            train_dataloader=dict(dataset=dataset),
        )
    )


BY_VALUE = dict(type="anl_seg.LoadAnnotationsByValue")


def before_train(tmp_path, cfg):
    dataset = DATASETS.build(
        dict(type="RepeatDataset", times=3, dataset=cfg.train_dataloader.dataset)
    )
    model = torch.nn.Module()
    model.decode_head = SimpleNamespace(num_classes=2, ignore_index=255)
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=dataset),
        work_dir=str(tmp_path),
        model=model,
        logger=logging.getLogger("test_labels"),
        hooks=[NoiseStatisticsHook(), LabelCheckHook()],
    )
    for hook in runner.hooks:
        hook.before_train(runner)


def test_training_says_it_once_with_noise_and_without(folder, tmp_path, said):
    root = folder(255)
    for noisy in (True, False):
        cfg = config(root)
        before_train(tmp_path, inject_noise(cfg, NOISE) if noisy else cfg)
        assert len(said) == 1
        assert HELD in said[0]
        assert REMEDY in said[0]
        assert "values255" in said.pop()
    for cfg in (config(folder(1)), config(root, **BY_VALUE)):
        before_train(tmp_path, cfg)
        before_train(tmp_path, inject_noise(cfg, NOISE))
    assert not said


def test_corruptor_browser_and_estimate_say_it(folder, tmp_path, said, capsys):
    root = folder()
    path = tmp_path / "config.py"
    config(root).dump(path)
    masks = ["--masks", str(root / "ann"), "--num-classes", "2"]
    jobs = ["--jobs", "1", "--noise", "SymmetricNoise:rate=0.2"]
    for source, name, more in (
        (masks, "corrupt", []),
        ([str(path)], "browse", ["--stats"]),
    ):
        main([name, *source, "--out", str(tmp_path / name), *more, *jobs])
        assert len(said) == 1
        assert HELD in said[0]
        assert REMEDY in said.pop()
    folders = ["--clean", str(root / "ann"), "--noisy", str(root / "ann"), "--num-classes", "2"]
    main(["estimate", *folders])
    assert HELD in capsys.readouterr().err


def test_the_loader_makes_labels_of_values_and_names_others(folder, tmp_path):
    root = folder(128)

    def load(mask, **options):
        Image.fromarray(mask).save(tmp_path / "mask.png")
        step = TRANSFORMS.build({**BY_VALUE, **options})
        info = dict(seg_map_path=str(tmp_path / "mask.png"), seg_fields=[], label_map=None)
        return step(info)["gt_seg_map"]

    mask = np.array([[0, 255], [128, 255]], np.uint8)
    assert load(mask, values=(0, 255, 128)).tolist() == [[0, 1], [2, 1]]
    assert load(mask, values=(0, [128, 255])).tolist() == [[0, 1], [1, 1]]
    assert load(mask, ignored_values=[128]).tolist() == [[0, 1], [255, 1]]
    assert load(np.stack([mask] * 3, axis=2), values=(0, 128, 255)).tolist() == [[0, 2], [1, 2]]
    assert load(mask.astype(np.uint16) * 256, values=(0, 65280, 32768)).tolist() == [[0, 1], [2, 1]]
    with pytest.raises(
        ValueError, match=r"mask\.png' holds 128 at 1 of 4 pixels; allowed are 0, 255"
    ):
        load(mask)
    with pytest.raises(ValueError, match="a colour picture of 3 channels"):
        load(np.stack([mask, mask, mask.T], axis=2))
    for values, text in (
        ((0,), "2 to 255 classes"),
        ({0: 0, 255: 1}, "values must be a list"),
        ((0, 0), "value 0 is given to two classes"),
        ((0, -1), "a value must be an integer of at least 0, got -1"),
        ((0, 1.5), "got 1.5"),
    ):
        with pytest.raises(ValueError, match=text):
            TRANSFORMS.build({**BY_VALUE, "values": values})
    cfg = inject_noise(config(root, **BY_VALUE, values=[0, 128]), NOISE)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert set(np.unique(dataset[0]["data_samples"].gt_sem_seg.data)) == {0, 1}


def test_the_corruptor_writes_values_that_the_loader_reads(folder, tmp_path, said):
    console = Console(file=io.StringIO())
    path = tmp_path / "config.py"
    config(folder(), **BY_VALUE).dump(path)
    out = tmp_path / "out"
    _, manifest = corrupt_dataset(config_source(path), NOISE, out, console=console)
    assert 0.15 < manifest["totals"]["changed_share"] < 0.25
    assert set(np.unique(np.array(Image.open(out / "0.png")))) == {0, 255}
    assert not said


def test_values_out_of_range_name_the_loader(folder, tmp_path):
    source = folder_source(folder() / "ann", num_classes=2, ignore_index=254)
    with pytest.raises(ValueError, match=r"found 255 .*LoadAnnotationsByValue"):
        corrupt_dataset(source, NOISE, tmp_path / "out", console=Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("masks", "text"),
    [
        ([[[0, 255]]], "the mask looked at holds class 0 and ignore_index=255 alone.*ByValue"),
        ([[[255, 255]]], "the mask looked at holds ignore_index=255 alone.*ByValue"),
        ([[[2, 2]], [[2, 2]]], "all 2 masks looked at hold class 2 alone.*reduce_zero_label"),
        ([[[1, 255]], [[1, 1]]], "hold class 1 and ignore_index=255 alone.*reduce_zero_label"),
        ([[[0, 0]]], None),  # an image without an object
        ([[[0, 255]], [[0, 1]]], None),
        ([[[0, 0]], [[7, 0]]], None),  # told of elsewhere
        ([], None),
        ([[[[0, 0]]]], None),
    ],
)
def test_what_is_told_and_what_is_not(masks, text):
    counts = LabelCounts(3, 255)
    for mask in masks:
        counts.add(np.array(mask, np.uint8))
    if text is None:
        assert counts.problem() is None
    else:
        assert re.search(text, counts.problem())
