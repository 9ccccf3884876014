"""anl-seg: what it lists, what it loads, what it does with a name that it does not know."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from anl_seg import cli


@pytest.mark.process(warm=False)
def test_help_lists_the_commands_and_loads_neither_torch_nor_mmseg():
    code = (
        "import sys\n"
        "from anl_seg.cli import main\n"
        "assert main(['--help']) == 0\n"
        "assert not {'torch', 'mmseg', 'mmengine', 'numpy'} & set(sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for command, does in cli.COMMANDS.items():
        assert f"  {command:<10}  {does}\n" in shown.stdout


@pytest.mark.process(warm=False)
def test_module_and_console_script_are_the_same():
    shown = subprocess.run(
        [sys.executable, "-m", "anl_seg", "--version"], check=True, capture_output=True, text=True
    )
    assert shown.stdout.startswith("anl-seg ")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_command_is_a_module(command, capsys):
    assert find_spec(f"anl_seg.cli.{command}")
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: anl-seg {command} ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["trian", "x.py"], "anl-seg: unknown command 'trian'. Did you mean train?"),
        (["xyz"], "anl-seg: unknown command 'xyz'.\n"),
        ([], "anl-seg: a command is missing."),
    ],
)
def test_an_unknown_command_is_named_with_those_it_is_like(words, text, capsys):
    assert cli.main(words) == 2
    assert text in capsys.readouterr().err
