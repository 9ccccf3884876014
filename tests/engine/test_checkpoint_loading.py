"""Checkpoints from anywhere: no code of theirs runs, damage is found, and errors name file and reason."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn

from anl_seg._checkpoint_files import damage
from anl_seg.engine import CheckpointError, allow_mmengine_checkpoints, checkpoint_compat

FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@pytest.fixture(autouse=True)
def loading(monkeypatch):
    for name in (checkpoint_compat.TRUST, FORCED):
        monkeypatch.delenv(name, raising=False)
    allow_mmengine_checkpoints()
    yield
    assert FORCED not in os.environ


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def zipped(content, path):
    torch.save(content, path)


def old_format(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


LOADERS = {
    "mmengine": lambda path: _load_checkpoint(path, map_location="cpu"),
    "a model": lambda path: load_checkpoint(nn.Linear(1, 1), path, map_location="cpu"),
    "mmseg's pretrained weights": lambda path: CheckpointLoader.load_checkpoint(path, "cpu", None),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("write", [zipped, old_format])
def test_no_code_of_a_foreign_checkpoint_runs(tmp_path, loader, write):
    path, target = tmp_path / "foreign.pth", tmp_path / "written"
    write({"state_dict": {"weight": torch.ones(1, 1)}, "meta": Payload(target)}, path)
    with pytest.raises(CheckpointError) as error:
        LOADERS[loader](str(path))
    assert str(path) in str(error.value)
    assert "it holds posix.system" in str(error.value)
    assert checkpoint_compat.TRUST in str(error.value)
    assert not target.exists()


def test_no_code_of_a_downloaded_checkpoint_runs(tmp_path, monkeypatch):
    """Found in torch's cache of downloads, so nothing is fetched."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    zipped({"meta": Payload(tmp_path / "written")}, folder / "weights.pth")
    address = "https://example.invalid/weights.pth"
    with pytest.raises(CheckpointError, match=f"{address} is not loaded: it holds posix.system"):
        _load_checkpoint(address, map_location="cpu")
    assert not (tmp_path / "written").exists()


def test_a_bare_pickle_and_old_torch_run_no_code(tmp_path, monkeypatch):
    """Before torch 2.6 the loader of weights takes no further names: ours stands in."""
    path, target = tmp_path / "bare.pth", tmp_path / "written"
    path.write_bytes(pickle.dumps(Payload(target)))
    with pytest.raises(CheckpointError, match=r"bare\.pth is not loaded"):
        _load_checkpoint(str(path))
    monkeypatch.setattr(checkpoint_compat, "_TAKES_NAMES", False)
    content = {"buffer": HistoryBuffer([1.0], [1]), "array": np.arange(3), "set": {1}}
    for write in (zipped, old_format):
        write({"x": Payload(target)}, path)
        with pytest.raises(CheckpointError, match=r"it holds posix\.system"):
            _load_checkpoint(str(path))
        write(content, path)
        loaded = _load_checkpoint(str(path))
        assert loaded["buffer"].current() == 1.0
        assert (loaded["array"].tolist(), loaded["set"]) == ([0, 1, 2], {1})
    assert not target.exists()


def test_python_text_in_a_checkpoint_is_not_run_by_a_resume(tmp_path):
    """mmengine's Runner.resume would run `meta.config`."""
    path = tmp_path / "old.pth"
    zipped({"state_dict": {}, "meta": {"config": "import os", "cfg": "kept", "iter": 3}}, path)
    assert _load_checkpoint(str(path))["meta"] == {"cfg": "kept", "iter": 3}


def test_training_state_loads_and_a_trusted_file_too(tmp_path, monkeypatch):
    path = tmp_path / "own.pth"
    meta = ConfigDict(classes=["a"], more=ConfigDict(b=[1]))
    zipped(
        {"meta": meta, "h": HistoryBuffer([2.0], [1]), "best": np.float64(3), "s": slice(1)}, path
    )
    content = _load_checkpoint(str(path))
    assert content["meta"].more.b == [1]
    assert (content["h"].mean(), content["best"], content["s"]) == (2.0, 3.0, slice(1))
    zipped({"path": Path("x")}, path)
    assert torch.load(path, weights_only=False) == {"path": Path("x")}  # as before for others
    with pytest.raises(CheckpointError, match="it holds pathlib"):
        _load_checkpoint(str(path))
    monkeypatch.setenv(checkpoint_compat.TRUST, "1")
    assert _load_checkpoint(str(path)) == {"path": Path("x")}


def damaged(path: Path, content: bytes = np.full(8, 7.0, dtype="f4").tobytes()) -> str:
    """Change one byte of the weights, the zip file left intact; the entry that they are in."""
    data = bytearray(path.read_bytes())
    at = data.find(content)
    data[at + 3] ^= 0x10
    path.write_bytes(data)
    with zipfile.ZipFile(path) as file:
        return file.testzip()


def test_damaged_weights_in_an_intact_zip_file_are_refused(tmp_path):
    path = tmp_path / "iter_6.pth"
    zipped({"state_dict": {"weight": torch.full((8,), 7.0)}}, path)
    assert damage(path) is None
    entry = damaged(path)
    assert entry.endswith("data/0")
    # Torch itself sees nothing.
    assert torch.load(path)["state_dict"]["weight"].tolist() != [7.0] * 8
    for load in LOADERS.values():
        with pytest.raises(
            CheckpointError, match=f"{path} is damaged: its entry '{entry}' does not"
        ):
            load(str(path))


def test_every_kind_of_damage_is_told(tmp_path):
    whole = tmp_path / "whole.pth"
    zipped({"weight": torch.full((8,), 7.0)}, whole)
    data = whole.read_bytes()
    kinds = {
        b"": "it is empty",
        data[:-30]: "it was cut off",
        data[: len(data) // 2]: "it was cut off",
        bytes(len(data)): "it is no checkpoint",
        b"version https://git-lfs.github.com/spec/v1\n": "it is no checkpoint",
        data[:20] + b"\xff" * 40 + data[60:]: "",
    }
    for content, told in kinds.items():
        (tmp_path / "x.pth").write_bytes(content)
        found = damage(tmp_path / "x.pth")
        assert (found or "no damage").startswith(told)
        with pytest.raises(CheckpointError, match=r"x\.pth is damaged"):
            _load_checkpoint(str(tmp_path / "x.pth"))
    with pytest.raises(FileNotFoundError, match=r"gone\.pth"):
        _load_checkpoint(str(tmp_path / "gone.pth"))


def test_files_without_checksums_are_no_damage(tmp_path, monkeypatch):
    old_format({"weight": torch.ones(2)}, tmp_path / "old.pth")
    assert damage(tmp_path / "old.pth") is None
    # As torch writes with set_crc32_options(False).
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as file:
        file.writestr("data", b"abc")
        file.filelist[0].CRC = 0
    assert damage(tmp_path / "x.pth") is None
