"""Pieces of HTML that the page is made of."""

from __future__ import annotations

from html import escape

import numpy as np

from . import formatting
from .encode import data_uri


def text(content: object) -> str:
    """Any text as HTML."""
    return escape(formatting.printable(content))


def picture(kind: str, alt: str, form: str, content: bytes, attributes: str = "") -> str:
    """An image that the page carries in itself.

    Args:
        kind: its classes in the style sheet.
        alt: what it shows, in words; empty if these stand beside it.
        form: ``'png'`` or ``'jpeg'``.
        content: its bytes.
        attributes: further ones.
    """
    return f'<img class="{kind}" alt="{text(alt)}" src="{data_uri(form, content)}"{attributes}>'


def figure(caption: str, *pictures: str) -> str:
    """Pictures on top of each other, under a caption."""
    content = "\n".join(pictures)
    return (
        f"<figure><figcaption>{text(caption)}</figcaption>"
        f'<div class="stack">\n{content}\n</div></figure>'
    )


def swatch(colour: np.ndarray) -> str:
    """A small square of one colour, (3,) uint8 RGB."""
    return f'<i class="swatch" style="background:#{bytes(colour.tolist()).hex()}"></i>'


def at(position: int, start: int) -> str:
    """The attributes of what is to be seen at one position of the slider; it starts at ``start``."""
    return f' data-value="{position}"' + ("" if position == start else " hidden")
