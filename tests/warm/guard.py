"""Refuses a Python process that a test starts without the mark that says so."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Commands that train a real model: scripts of tools/, or modules of anl_seg.cli.
TRAINERS = {"train", "quickstart", "compare", "tune", "tune_loss"}
TOOLS = Path(__file__).parents[2] / "tools"


def _trains(word: str) -> bool:
    package, _, module = word.rpartition(".")
    path = Path(word)
    return (package == "anl_seg.cli" and module in TRAINERS) or (
        path.parent == TOOLS and path.stem in TRAINERS
    )


def needed(command: Sequence[str] | str, pythons: set[str]) -> str | None:
    """The mark that a test needs to start a command; None if any may."""
    words = [command] if isinstance(command, str) else [str(word) for word in command]
    if not any(python in word for word in words for python in pythons):
        return None
    return "training" if any(map(_trains, words)) and "--help" not in words else "process"


class Guard:
    """Looks at each command that ``subprocess`` starts, until it is removed.

    Attributes:
        marks: of the test that runs; None between tests.
    """

    def __init__(self) -> None:
        self.marks: set[str] | None = None
        self._real = subprocess.Popen.__init__
        self._python = sys.executable

        @functools.wraps(self._real)
        def start(process: subprocess.Popen, args: Any, *rest: Any, **options: Any) -> None:
            if self.marks is not None:
                mark = needed(args, {self._python, sys.executable})
                if mark is not None and mark not in self.marks:
                    raise AssertionError(
                        f"this test needs @pytest.mark.{mark}, or the fixture in which it does this "
                        f"requests starts_{mark}: it starts {str(args)[:200]}"
                    )
            self._real(process, args, *rest, **options)

        subprocess.Popen.__init__ = start

    def remove(self) -> None:
        subprocess.Popen.__init__ = self._real
