"""Error texts: names that do not exist, and what a tool says before it exits."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """A sentence that names the unknown value, the closest known names and all that is allowed.

    Args:
        kind: what the name was meant to be, for example ``"noise"``.
        name: the value that was given.
        known: the allowed names.
    """
    known = sorted(known)
    lowered = {k.lower(): k for k in known}
    close = get_close_matches(str(name).lower(), lowered, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(lowered[c] for c in close)}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}."


#: What wrong arguments, names, parameters and files raise; a tool turns these into one sentence.
WRONG_INPUT = (FileNotFoundError, KeyError, TypeError, ValueError)


def sentence(error: Exception) -> str:
    """The text of an error, without the quotes that ``str`` puts around that of a KeyError."""
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)


def printable(text: object) -> str:
    """A text out of a file as a terminal may show it: control characters become ``\\x1b``."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii")
        for c in str(text)
    )
