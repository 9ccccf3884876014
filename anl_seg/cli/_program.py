"""What all commands share: their name in usage and errors, and errors as one sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anl_seg._suggest import WRONG_INPUT, printable, sentence


def program(command: str) -> str:
    """How a command was called: ``train.py`` (a script of ``tools/``), else ``anl-seg train``."""
    script = Path(sys.argv[0]).name
    return script if script.endswith(".py") and script != "__main__.py" else f"anl-seg {command}"


def command_parser(command: str, **settings: Any) -> argparse.ArgumentParser:
    """A parser for the arguments of a command.

    Args:
        command: its name after ``anl-seg``.
        settings: of ``ArgumentParser``.
    """
    return argparse.ArgumentParser(prog=program(command), **settings)


@contextmanager
def errors_in_a_sentence(
    command: str, *others: type[Exception], interrupted: str | None = None
) -> Iterator[None]:
    """Within, errors of the input end the program: its name and the error's text, exit code 1.

    Args:
        command: its name after ``anl-seg``.
        others: what ends it so too, beside :data:`anl_seg._suggest.WRONG_INPUT`.
        interrupted: what to say after Ctrl-C; None = that is not handled here.
    """
    kinds: tuple[type[Exception], ...] = (*WRONG_INPUT, *others)
    try:
        yield
    except kinds as error:
        sys.exit(f"{program(command)}: {printable(sentence(error))}")
    except KeyboardInterrupt:
        if interrupted is None:
            raise
        sys.exit(f"{program(command)}: {interrupted}")
