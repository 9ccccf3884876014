"""The command line: ``anl-seg COMMAND ...``.

A command is a module here with ``main(argv=None) -> int``. It is imported when it is called, so that
``anl-seg --help`` loads neither torch nor mmseg. ``tools/*.py`` call the same functions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from anl_seg._family import MISSING_FAMILY, has_mmseg
from anl_seg._suggest import did_you_mean
from anl_seg.version import __version__

#: Command -> what it does.
COMMANDS = {
    "train": "train a segmentor from an mmseg config, with label noise and a robust loss",
    "test": "evaluate a checkpoint",
    "study": "plan, run, watch and report a grid of losses, noises and seeds",
    "corrupt": "write the masks of a data set with noise in them, and a manifest",
    "browse": "look at a noise: contact sheet, page with a slider, statistics",
    "estimate": "estimate the transition matrix of masks, or through a trained model",
    "tune": "search the parameters of a loss",
    "compare": "train configs or losses under the same noises and seeds, print a table",
    "quickstart": "train three losses under label noise on the embedded data",
}


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {does}" for name, does in COMMANDS.items()]
    return "\n".join(
        [
            "usage: anl-seg COMMAND ...",
            "",
            *lines,
            "",
            "anl-seg COMMAND --help shows the options of one.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Call a command.

    Args:
        argv: the words after ``anl-seg``; None = those of this process.

    Returns:
        The exit code: 2 where there is no such command, else that of the command.
    """
    command, *arguments = list(sys.argv[1:] if argv is None else argv) or [""]
    if command in ("-h", "--help"):
        print(_usage())
        return 0
    if command == "--version":
        print(f"anl-seg {__version__}")
        return 0
    if command not in COMMANDS:
        wrong = f"unknown command {command!r}." if command else "a command is missing."
        hint = did_you_mean([command], COMMANDS) if command else ""
        print(f"{_usage()}\n\nanl-seg: {wrong}{hint}", file=sys.stderr)
        return 2
    if not has_mmseg():
        print(f"anl-seg: {MISSING_FAMILY}", file=sys.stderr)
        return 1
    return import_module(f"anl_seg.cli.{command}").main(arguments)
