"""Each script of tools/ is a few lines over its command."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
COMMANDS = {
    "browse_noise": "browse",
    "compare": "compare",
    "corrupt_dataset": "corrupt",
    "estimate_transition_matrix": "estimate",
    "noise_study": "study",
    "quickstart": "quickstart",
    "test": "test",
    "train": "train",
    "tune_loss": "tune",
}


@pytest.mark.parametrize("script", COMMANDS)
def test_a_script_is_at_most_five_lines_and_shows_its_name(script, monkeypatch, capsys):
    path = TOOLS / f"{script}.py"
    _docstring, *body = ast.parse(path.read_text()).body
    assert len([line for node in body for line in ast.unparse(node).splitlines()]) <= 5
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(path), run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {script}.py ")
    assert f"``anl-seg {COMMANDS[script]}``" in _docstring.value.value
