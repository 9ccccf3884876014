"""How many CPU threads whoever starts trainings asks for. Standard library only."""

from __future__ import annotations

import os


def asked_threads() -> int | None:
    """The number in ``OMP_NUM_THREADS``, of a list (nested regions) the first; None where it names none.

    Raises:
        ValueError: it is set to something else.
    """
    text = os.environ.get("OMP_NUM_THREADS", "").strip()
    if not text:
        return None
    first = text.partition(",")[0].strip()
    if not first.isdecimal() or int(first) < 1:
        raise ValueError(f"OMP_NUM_THREADS must be an integer >= 1; got {text!r}.")
    return int(first)
