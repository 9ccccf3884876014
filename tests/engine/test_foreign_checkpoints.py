"""Checkpoint files that are unusual: those that must load, and those that must not cost anything."""

from __future__ import annotations

import argparse
import os
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleLR
from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn

from anl_seg._checkpoint_files import damage, latest_whole
from anl_seg.engine import CheckpointError, allow_mmengine_checkpoints, checkpoint_compat
from anl_seg.study.run.checkpoints import remove_broken


@pytest.fixture(autouse=True)
def loading(monkeypatch):
    monkeypatch.delenv(checkpoint_compat.TRUST, raising=False)
    allow_mmengine_checkpoints()


def test_the_state_of_one_cycle_schedules_loads(tmp_path):
    """mmengine keeps the function of its curve in it."""
    for strategy in ("cos", "linear"):
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
        one = OneCycleLR(optimizer, eta_max=1.0, total_steps=9, anneal_strategy=strategy)
        torch.save({"state_dict": {}, "param_schedulers": [one.state_dict()]}, tmp_path / "x.pth")
        one.load_state_dict(_load_checkpoint(str(tmp_path / "x.pth"))["param_schedulers"][0])
        assert one.anneal_func(0.0, 1.0, 1.0) == 1.0


class Attribute:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return getattr, self.call


@pytest.mark.parametrize(
    "call",
    [(OneCycleLR, "build_iter_from_epoch"), (HistoryBuffer, "register_statistics"), ([], "x")],
)
def test_other_attributes_are_not_looked_up(tmp_path, call):
    torch.save({"state_dict": {}, "x": Attribute(*call)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth is not loaded"):
        _load_checkpoint(str(tmp_path / "x.pth"))


def test_settings_and_metainfo_that_run_nothing_load(tmp_path):
    content = {
        "args": argparse.Namespace(lr=1, model=argparse.Namespace(depth=2)),
        "classes": (range(3), frozenset("a")),
        "more": [np.array([1j]), np.zeros(2, dtype=[("a", "f4")])],
    }
    torch.save({"state_dict": {}, "meta": content}, tmp_path / "x.pth")
    loaded = _load_checkpoint(str(tmp_path / "x.pth"))["meta"]
    assert repr(loaded) == repr(content)


def test_what_torch_cannot_read_safely_is_told_with_the_way_out(tmp_path):
    torch.save({"state_dict": {}, "x": np.array([None])}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=rf"ObjectDType.*set {checkpoint_compat.TRUST}=1"):
        _load_checkpoint(str(tmp_path / "x.pth"))
    torch.jit.script(nn.Linear(1, 1)).save(str(tmp_path / "x.pth"))
    with pytest.raises(CheckpointError, match="it is a TorchScript archive, a program"):
        _load_checkpoint(str(tmp_path / "x.pth"))


def rewritten(path, *extra, compression=zipfile.ZIP_DEFLATED):
    """The same entries, and more, in another zip file."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in [*entries.items(), *extra]:
            file.writestr(name, data)
    return next(iter(entries))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_files_that_grow_or_say_two_things_are_no_checkpoints(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"state_dict": {"w": torch.arange(1e4)}}, path)
    rewritten(path)
    assert damage(path) is None  # compressed
    name = rewritten(path, ("more", b"x"))
    rewritten(path, (name, b"other"))
    assert damage(path) == f"its entry {name!r} is in it 2 times"
    torch.save({"state_dict": {"w": torch.zeros(1_000_000)}}, path)
    rewritten(path)
    assert damage(path).startswith("it would grow to 4,00")


def test_only_what_was_read_and_is_damaged_is_removed_and_no_pipe_is_waited_for(
    tmp_path, monkeypatch
):
    elsewhere = tmp_path / "elsewhere" / "x.pth"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"PK")
    folder = tmp_path / "run"
    (folder / "iter_9.pth").mkdir(parents=True)
    os.mkfifo(folder / "iter_8.pth")
    (folder / "iter_7.pth").symlink_to(elsewhere)
    (folder / "iter_6.pth").write_bytes(b"PK")
    (folder / "iter_5.pth").write_bytes(b"PK")
    read = open

    def failing(path, *args):
        if str(path).endswith("iter_5.pth"):
            raise OSError(5, "Input/output error")
        return read(path, *args)

    monkeypatch.setattr("builtins.open", failing)
    assert set(latest_whole(folder).passed_over) == {
        str(folder / f"iter_{i}.pth") for i in (5, 6, 7)
    }
    assert damage(folder / "iter_8.pth") == "it is no regular file"
    remove_broken(folder)
    assert sorted(p.name for p in folder.iterdir()) == [f"iter_{i}.pth" for i in (5, 7, 8, 9)]
