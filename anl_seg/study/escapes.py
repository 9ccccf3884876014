"""Labels and sentences as Markdown, LaTeX and matplotlib show them: as they are."""

from __future__ import annotations

from collections.abc import Sequence


def drawn_text(text: object) -> str:
    """A text that matplotlib draws as it is: no mathematics between dollar signs, on one line, and in the
    legend even if it begins with an underscore."""
    shown = " ".join(str(text).split()).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def markdown_text(text: object) -> str:
    """A text on one line that Markdown shows as it is: neither HTML nor code begins in it."""
    shown = " ".join(str(text).split()).replace("\\", "\\\\")
    return shown.replace("<", "\\<").replace("`", "\\`")


def _markdown_escaped(text: object) -> str:
    return markdown_text(text).replace("|", "\\|")


def markdown_table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; in texts ``|`` and what would begin HTML or code is escaped."""
    lines = [head, *rows]
    text = ["| " + " | ".join(_markdown_escaped(cell) for cell in line) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:]])


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # After the end of a row these would be arguments of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}


def latex_escaped(text: object) -> str:
    """A text that LaTeX prints as it is."""
    shown = " ".join(str(text).split())
    return "".join(_LATEX.get(c, c) for c in shown if c.isprintable())
