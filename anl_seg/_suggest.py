"""Error texts: names that do not exist, and what a tool says before it exits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def did_you_mean(names: Iterable[object], known: Iterable[str], cutoff: float = 0.5) -> str:
    """A question that names the known names closest to these; empty if none is as alike as ``cutoff``."""
    lowered = {k.lower(): k for k in known}
    close = {
        lowered[match]: None
        for name in names
        for match in get_close_matches(str(name).lower(), lowered, n=3, cutoff=cutoff)
    }
    return f" Did you mean {' or '.join(close)}?" if close else ""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """A sentence that names the unknown value, the closest known names and all that is allowed.

    Args:
        kind: what the name was meant to be, for example ``"noise"``.
        name: the value that was given.
        known: the allowed names.
    """
    known = sorted(known)
    return f"unknown {kind} {name!r}.{did_you_mean([name], known)} Known: {', '.join(known)}."


def wrong_parameters(
    owner: str, unknown: Sequence[str], missing: Sequence[str], allowed: Sequence[str]
) -> str:
    """A sentence that names parameters that do not exist, or else are missing, and all there are.

    Args:
        owner: whose parameters they are.
        unknown: those that were given and do not exist.
        missing: those that are needed and were not given.
        allowed: all there are.
    """
    problem = "does not know" if unknown else "needs"
    named = ", ".join(map(repr, unknown or missing))
    hint = did_you_mean(unknown, allowed)
    return f"{owner} {problem} {named}; its parameters are: {', '.join(allowed)}.{hint}"


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
