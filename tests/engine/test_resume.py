"""Which checkpoint tools/train.py goes on from."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from mmengine.config import Config

from anl_seg.engine import CheckpointError, choose_resumed
from tests.engine.test_checkpoint_loading import damaged, old_format


def write(folder, *numbers, last=None, unit="iter"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        torch.save({"weight": torch.full((8,), 7.0)}, folder / f"{unit}_{number}.pth")
    if last is not None:
        (folder / "last_checkpoint").write_text(str(last))


def chosen(folder, load_from=None, **more):
    cfg = Config(dict(work_dir=str(folder), resume=True, load_from=load_from, **more))
    choose_resumed(cfg)
    assert cfg.resume == (cfg.load_from is not None)
    return cfg.load_from


def test_a_damaged_checkpoint_gives_way_to_the_one_before_in_one_line(tmp_path, capsys):
    write(tmp_path, 6, 12, 18, last=tmp_path / "iter_18.pth")
    assert chosen(tmp_path) == str(tmp_path / "iter_18.pth")
    assert capsys.readouterr().err == ""
    entry = damaged(tmp_path / "iter_18.pth")
    assert chosen(tmp_path) == str(tmp_path / "iter_12.pth")
    assert capsys.readouterr().err == (
        f"train.py: {tmp_path}/iter_18.pth is not resumed: its entry '{entry}' does not have its "
        f"checksum; going on from {tmp_path}/iter_12.pth.\n"
    )
    os.truncate(tmp_path / "iter_12.pth", 400)
    assert chosen(tmp_path) == str(tmp_path / "iter_6.pth")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert all(f"iter_{n}.pth" in told for n in (6, 12, 18))
    os.truncate(tmp_path / "iter_6.pth", 0)
    assert chosen(tmp_path) is None
    assert capsys.readouterr().err.endswith("; starting anew.\n")


def test_last_checkpoint_may_be_missing_or_name_what_is_not_there(tmp_path, capsys):
    write(tmp_path / "a", 6, 9)
    assert chosen(tmp_path / "a") == str(tmp_path / "a" / "iter_9.pth")
    assert capsys.readouterr().err == ""
    write(tmp_path / "a", last=tmp_path / "a" / "iter_12.pth")
    assert chosen(tmp_path / "a") == str(tmp_path / "a" / "iter_9.pth")
    assert "iter_12.pth is not resumed: last_checkpoint names it" in capsys.readouterr().err
    (tmp_path / "a" / "last_checkpoint").write_bytes(b"\xff\xfe")
    assert chosen(tmp_path / "a") == str(tmp_path / "a" / "iter_9.pth")
    assert chosen(tmp_path / "nothing") is None


def test_a_copied_work_dir_is_resumed_from_itself(tmp_path, capsys):
    """Its last_checkpoint still names a file of the other one."""
    write(tmp_path / "a", 6, last=tmp_path / "a" / "iter_6.pth")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert chosen(tmp_path / "b") == str(tmp_path / "b" / "iter_6.pth")
    (tmp_path / "b" / "iter_6.pth").unlink()
    capsys.readouterr()
    assert chosen(tmp_path / "b") is None
    assert f"{tmp_path}/a/iter_6.pth is not resumed" in capsys.readouterr().err


def test_the_units_are_not_mixed_and_other_folders_of_checkpoints_are_known(tmp_path):
    write(tmp_path / "run", 900)
    write(tmp_path / "run", 3, 4, unit="epoch", last=tmp_path / "run" / "epoch_4.pth")
    assert chosen(tmp_path / "run").endswith("epoch_4.pth")
    write(tmp_path / "kept" / "out", 6, 12)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "last_checkpoint").write_text(str(tmp_path / "kept/out/iter_12.pth"))
    hooks = dict(checkpoint=dict(type="CheckpointHook", out_dir=str(tmp_path / "kept")))
    assert chosen(tmp_path / "out", default_hooks=hooks) == str(tmp_path / "kept/out/iter_12.pth")
    (tmp_path / "out" / "last_checkpoint").write_text("s3://bucket/iter_3.pth")
    assert chosen(tmp_path / "out") == "s3://bucket/iter_3.pth"


def test_a_named_checkpoint_must_be_whole(tmp_path, capsys):
    write(tmp_path, 6, 12)
    named = tmp_path / "iter_12.pth"
    assert chosen(tmp_path, str(named)) == str(named)
    damaged(named)
    with pytest.raises(CheckpointError, match=r"iter_12\.pth is damaged: .*iter_6\.pth is whole"):
        chosen(tmp_path, str(named))
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*iter_13"):
        chosen(tmp_path, str(tmp_path / "iter_13.pth"))
    old_format({"weight": torch.ones(1)}, tmp_path / "old.pth")
    assert chosen(tmp_path, str(tmp_path / "old.pth"))
    assert "without checksums" in capsys.readouterr().err


def test_what_is_not_resumed_is_left_alone(tmp_path):
    write(tmp_path, 6)
    cfg = Config(dict(work_dir=str(tmp_path), resume=False, load_from=None))
    choose_resumed(cfg)
    assert (cfg.resume, cfg.load_from) == (False, None)
    cfg = Config(dict(work_dir=str(tmp_path), load_from="torchvision://resnet50"))
    choose_resumed(cfg)
    assert cfg.load_from == "torchvision://resnet50"
