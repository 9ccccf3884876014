"""Whether labels are a tensor that can be the labels of some logits, and what they look like if not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anl_seg.functional._labels import has_no_values

#: Channels of a color picture: RGB, or RGB and opacity.
_COLORS = frozenset((3, 4))


def check_label_tensor(target: Any, logits: Tensor, expected: tuple[int | str, ...]) -> None:
    """Raise unless ``target`` is an integer tensor of the shape ``expected``, on the device of the logits.

    Args:
        target: what was given as labels.
        logits: (N, C, *).
        expected: shape of the labels; a name stands for any number.

    Raises:
        ValueError: another shape or device.
        TypeError: no tensor, or a dtype that is not allowed.
    """
    if not isinstance(target, Tensor):
        raise TypeError(
            f"labels must be a tensor of shape {_told(expected)}; got {type(target).__name__}. "
            "torch.stack() joins the masks of a list, torch.as_tensor() takes an array."
        )
    if target.shape != expected and not _fits(target.shape, expected):
        raise ValueError(
            f"labels must have shape {_told(expected)} for logits of shape {tuple(logits.shape)}; "
            f"got {tuple(target.shape)}.{_what_it_looks_like(target, logits, expected)}"
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(
            f"labels must be integers; got {target.dtype}. Class indices become integers by .long(); "
            "a mask divided by 255 holds none."
        )
    if target.device != logits.device:
        raise ValueError(
            f"labels must be on the device of the logits, {logits.device}; got {target.device}."
        )


def _fits(shape: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    """Whether a shape is the expected one, in which a name stands for any number."""
    return len(shape) == len(expected) and all(
        isinstance(wanted, str) or size == wanted for size, wanted in zip(shape, expected)
    )


def _told(shape: tuple[int | str, ...]) -> str:
    return str(shape).replace("'", "")


def _what_it_looks_like(target: Tensor, logits: Tensor, expected: tuple[int | str, ...]) -> str:
    """A hint for the error, with a space before it; empty for a shape that tells nothing."""
    shape, classes = tuple(target.shape), max(logits.shape[1], 2)
    if len(shape) == len(expected) - 1 and expected[:1] == (1,):
        return " The dimension of the batch is missing: .unsqueeze(0)."
    if len(shape) == len(expected) + 1:
        for dim, rest in ((1, (*shape[:1], *shape[2:])), (-1, shape[:-1])):
            if shape[dim] == 1:
                return f" One channel is no dimension of labels: .squeeze({dim})."
            if rest == expected and shape[dim] == classes and not _has_colors(target, classes):
                return f" Masks one-hot by class become class indices by .argmax({dim})."
    of_batch = len(shape) == len(expected) + 1 and not _COLORS.isdisjoint((shape[1], shape[-1]))
    of_image = len(shape) == len(expected) == 3 and (
        (shape[-1] in _COLORS and shape[:2] == expected[1:])
        or (shape[0] in _COLORS and shape[1:] == expected[1:] and expected[0] == 1)
    )
    if not (of_batch or of_image):
        return ""
    return (
        " This looks like a color mask (RGB), in which a class is a color. A loss needs class indices, "
        "one number per pixel: map the colors to indices once, and save them as PNG files of one channel "
        "or with a palette, which mmseg's LoadAnnotations reads."
    )


def _has_colors(target: Tensor, classes: int) -> bool:
    """Whether what has as many channels as there are classes holds other numbers than 0 and 1."""
    if classes not in _COLORS or has_no_values(target):
        return False
    return bool((target > 1).any())
