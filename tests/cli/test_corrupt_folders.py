"""Folders of masks: which were corrupted is said, and what is printed can be done."""

from __future__ import annotations

import argparse
import re
import shlex
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config, DictAction
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from PIL import Image

from anl_seg.cli import corrupt
from anl_seg.corruption.splits import counts_by_folder, folders_text, held_out_folders

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--num-classes=3", "--noise=PairNoise:rate=0.5", "--jobs=1"]


def write_data(root, folders):
    """Two images with masks of three classes in each folder."""
    rng = np.random.RandomState(0)
    for number, folder in enumerate(folders):
        for i in range(2):
            for kind in ("images", "masks"):
                (root / kind / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(
                str(root / "images" / folder / f"{number}{i}.jpg"), np.zeros((24, 32, 3), np.uint8)
            )
            mask = rng.randint(0, 3, (6, 8)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(mask).save(root / "masks" / folder / f"{number}{i}.png")


def config_of(root, folder):
    """A config that trains on the images and masks of a folder."""
    dataset = dict(
        type="BaseSegDataset",
        metainfo=dict(classes=("a", "b", "c")),
        data_root=str(root),
        data_prefix=dict(img_path=f"images/{folder}", seg_map_path=f"masks/{folder}"),
        pipeline=[dict(type="LoadAnnotations")],
    )
    return Config(dict(train_dataloader=dict(dataset=dataset)))


def followed(text, cfg, way):
    """The config after one of the two things that the tool says."""
    if way == "options":
        (line,) = re.findall(r"^ +(--cfg-options .+)$", text, re.M)
        parser = argparse.ArgumentParser()
        parser.add_argument("--cfg-options", nargs="+", action=DictAction)
        cfg.merge_from_dict(parser.parse_args(shlex.split(line)).cfg_options)
    else:
        (line,) = re.findall(r"^ +(data_prefix=.+)$", text, re.M)
        settings = Config.fromstring(line, ".py")
        cfg.merge_from_dict({"train_dataloader.dataset.data_prefix": settings.data_prefix})
    return cfg


def loaded(cfg):
    """The labels of the training images of a config, by file."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [dataset[i] for i in range(len(dataset))]
    return {sample["seg_map_path"]: sample["gt_seg_map"] for sample in samples}


@pytest.mark.parametrize(
    ("folders", "training", "warned"),
    [
        (["train", "val"], "train", "val (2 masks)"),
        (["a/train/x", "a/val/y", "a/test/z"], "a/train", "a/test (2 masks), a/val (2 masks)"),
        (["Training_Data", "ISIC_Validation"], "Training_Data", "ISIC_Validation (2 masks)"),
        (["left", "right"], ".", None),
        (["trainval", "train"], ".", None),
        (["valley", "contest"], ".", None),
    ],
)
def test_the_advice_for_folders_leads_to_the_corrupted_training_masks(
    tmp_path, capsys, folders, training, warned
):
    write_data(tmp_path, folders)
    out = tmp_path / "out"
    corrupt.main([f"--masks={tmp_path / 'masks'}", f"--out={out}", *ARGUMENTS])
    text, errors = capsys.readouterr()
    assert (
        f"folders: {folders_text(counts_by_folder(f'{f}/0.png' for f in folders for _ in '00'))}\n"
        in text
    )
    if warned is None:
        assert "warning" not in errors
    else:
        (line,) = [line for line in errors.splitlines() if "warning" in line]
        assert f"corrupted as well: {warned}, for validation or test by the name" in line
        assert "let --masks name the training folder alone" in line
    for way in ("options", "prefix"):
        masks = loaded(followed(text, config_of(tmp_path, training), way))
        assert masks
        for path, mask in masks.items():
            assert Path(path).is_relative_to(out)
            assert np.array_equal(mask, np.array(Image.open(path)))


def test_a_training_data_set_that_finds_validation_masks_is_warned_of(tmp_path, capsys):
    write_data(tmp_path, ["train", "val"])
    config = tmp_path / "config.py"
    config.write_text(config_of(tmp_path, ".").pretty_text)
    corrupt.main([str(config), f"--out={tmp_path / 'out'}", *ARGUMENTS])
    text, errors = capsys.readouterr()
    assert "folders: train (2 masks), val (2 masks)\n" in text
    assert "corrupted as well: val (2 masks), for validation or test by the name" in errors
    # Asked for by name: nothing to warn of.
    masks = f"--masks={tmp_path / 'masks' / 'val'}"
    corrupt.main([masks, f"--out={tmp_path / 'other'}", *ARGUMENTS])
    assert "warning" not in capsys.readouterr().err


def test_a_path_that_a_shell_or_mmengine_would_change_is_not_given_as_an_option(tmp_path, capsys):
    root = tmp_path / 'my "data", [1]'
    write_data(root, ["train", "val"])
    out = root / "noisy masks"
    corrupt.main([f"--masks={root / 'masks' / 'train'}", f"--out={out}", *ARGUMENTS])
    text, errors = capsys.readouterr()
    assert "warning" not in errors
    assert "folders:" not in text
    assert "--cfg-options" not in text
    masks = loaded(followed(text, config_of(root, "train"), "prefix"))
    assert [Path(path).parent for path in masks] == [out, out]


def test_words_of_names_are_whole_words():
    held_out = [
        "val",
        "b/Val",
        "leftImg8bit/val",
        "ISIC-2017_Test_v2",
        "val2017",
        "x/validationSet",
    ]
    others = ["train", "valley", "latest", "trainval", "train_val", "test/train", "evaluated", "."]
    assert held_out_folders([*held_out, *others]) == held_out


def test_every_command_and_config_of_the_page_works_in_order(tmp_path, capsys, monkeypatch):
    """As a newcomer would: in an empty folder that has this repository's configs."""
    page = (ROOT / "docs/corrupt_dataset.md").read_text()
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, re.M | re.S)
    commands = [
        shlex.split(command)
        for kind, block in blocks
        if kind == "bash"
        for command in block.replace("\\\n", " ").splitlines()
    ]
    assert len(commands) == 6
    printed = ""
    for command in commands:
        assert command[:2] == ["python", "tools/corrupt_dataset.py"]
        corrupt.main([*command[2:], "--jobs=1"])
        printed += capsys.readouterr().out
    for line in re.findall(r"^    ((?:\d+ masks in|clean:) .*)$", page, re.M):
        assert line in printed, line
    # What the first run advises is on the page, but for the place of the repository.
    (advice,) = re.findall(r"two settings:\n\n(.*?\]\)\)\n)", page, re.S)
    advice = textwrap.dedent(advice).replace("/home/me/anl_seg", str(tmp_path))
    assert advice in textwrap.dedent(
        re.findall(r"two settings:\n\n(.*?\]\)\)\n)", printed, re.S)[0]
    )
    Path("advised.py").write_text(advice)
    cfg = Config.fromfile("advised.py")
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert dataset[0]["data_samples"].gt_sem_seg.data.shape == (1, 64, 64)
    python = [block for kind, block in blocks if kind == "python"]
    for block in python:
        if "corrupt_dataset(" in block:
            exec(compile(block, "docs/corrupt_dataset.md", "exec"), {})
        else:
            Path("example.py").write_text(block)
            assert "data_prefix" in Config.fromfile("example.py").train_dataloader.dataset
