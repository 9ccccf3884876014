"""Files written whole: strict JSON, all or nothing."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from anl_seg._files import write_json_atomically


def strict(text: str):
    def refuse(constant: str):
        raise AssertionError(f"not JSON: {constant}")

    return json.loads(text, parse_constant=refuse)


def test_plain_and_numpy_values(tmp_path):
    content = {
        "a": np.float32(0.5),
        "b": (1, np.int64(2), None, "Größe"),
        3: np.array([[1.0, np.nan], [-np.inf, 2.0]]),
        "d": float("nan"),
        "e": np.bool_(True),
    }
    write_json_atomically(tmp_path / "x.json", content)
    assert strict((tmp_path / "x.json").read_text(encoding="utf-8")) == {
        "a": 0.5,
        "b": [1, 2, None, "Größe"],
        "3": [[1.0, None], [None, 2.0]],
        "d": None,
        "e": True,
    }


def test_failure_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_json_atomically(path, [1])
    with pytest.raises(TypeError):
        write_json_atomically(path, [object()])

    def broken(*_):
        assert strict(path.read_text()) == [1]
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_json_atomically(path, [2])
    assert strict(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json_atomically(str(path), [1] * 100)
    write_json_atomically(path, [2])
    assert strict(path.read_text()) == [2]
