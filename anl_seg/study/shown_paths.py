"""Texts for others to read: without the folders of the machine that a study ran on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: The home of anyone, a name with spaces included.
_HOME = re.compile(r"/(?:home|Users)/(?:[^/\n\"':,;)]+(?=/)|[^/\s\"':,;)]+)|/root(?=/)")
#: An absolute path of two folders or more; its last part is kept.
_POSIX = re.compile(r"(?<![\w.:/<~…-])/(?:[^\s/\"'`|<>():;,=]+/)+([^\s/\"'`|<>():;,=]*)")
_WINDOWS = re.compile(r"(?<!\w)[A-Za-z]:(?:\\{1,2}|/)(?:[^\\/\"'\n:|<>]+(?:\\{1,2}|/))*")


def path_hider(work_dir: Path) -> Callable[[str], str]:
    """A function that takes the machine's folders out of a text.

    Paths below ``work_dir``, the current folder and this repository become relative to them; a home becomes
    ``~``, and of any other absolute path the last part is left, after ``…/``. Characters that cannot
    be written as UTF-8 become ``?``.
    """
    roots = [work_dir, work_dir.resolve(), Path.cwd(), Path(__file__).resolve().parents[2]]
    known = {str(root): "" for root in roots if len(root.parts) > 1}
    known.setdefault(str(Path.home()), "~")
    # The longest first: a work dir lies below a home.
    order = sorted(known, key=len, reverse=True)
    inside = re.compile("(?<![\\w.])(" + "|".join(map(re.escape, order)) + r")(/|(?![\w-]|\.\w))")

    def relative(match: re.Match) -> str:
        short = known[match.group(1)]
        return f"{short}{match.group(2)}" if short else ("" if match.group(2) else ".")

    def hide(text: str) -> str:
        text = text.encode("utf-8", "replace").decode("utf-8")
        text = _HOME.sub("~", inside.sub(relative, text))
        text = _WINDOWS.sub("…/", text)
        return _POSIX.sub(lambda match: f"…/{match.group(1)}", text)

    return hide


def hidden(value: Any, hide: Callable[[str], str]) -> Any:
    """A value as JSON holds it, with :func:`path_hider` applied to every text in it."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hidden(key, hide): hidden(item, hide) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(hidden(item, hide) for item in value)
    return value
