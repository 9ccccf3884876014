"""Blocks of pixels, and their labels, checked while they are in the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from anl_seg.functional._labels import check_labels


def pixel_blocks(n: int, pixels: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of (N, P) pixels: whole samples, or parts of one, of at most ``most`` pixels, at least 1."""
    width = max(1, min(pixels, most))
    height = max(1, most // pixels) if width == pixels else 1
    for i in range(0, n, height):
        for p in range(0, pixels, width):
            yield slice(i, i + height), slice(p, p + width)


def _all_in_range(labels: Tensor, num_classes: int) -> bool:
    low, high = labels.aminmax()
    return low.item() >= 0 and high.item() < num_classes


def counted_labels(
    target: Tensor, num_classes: int, ignore_index: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """Labels and which of them count, both as floating point: booleans are slow on a CPU.

    Args:
        target: int64, any shape, on the CPU.
        num_classes: C.
        ignore_index: label of pixels that do not count.
        dtype: what the loss is computed in.

    Returns:
        Labels in [0, C), 0 where ignored; 1.0 where a label counts and 0.0 where it is ignored, or None
        where all count.

    Raises:
        ValueError: a label that is neither in [0, C) nor ``ignore_index``.
    """
    labels = target.to(dtype)
    if target.numel() == 0:
        return labels, None
    if not 0 <= ignore_index < num_classes and _all_in_range(labels, num_classes):
        return labels, None
    counts = torch.ne(target, ignore_index, out=torch.empty_like(labels))
    labels.mul_(counts)
    if not _all_in_range(labels, num_classes):
        check_labels(target, num_classes, ignore_index)
    return labels, counts


def block_labels(
    target: Tensor, num_classes: int, ignore_index: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """:func:`counted_labels` with the labels as int64, to gather by."""
    labels, counts = counted_labels(target, num_classes, ignore_index, dtype)
    return (target if counts is None else labels.long()), counts


def zero_ignored(values: Tensor, counts: Tensor | None) -> Tensor:
    """``values``, in place, with a zero wherever ``counts`` has one, even in place of NaN."""
    if counts is None:
        return values
    if values.device.type == "cpu" and math.isfinite(values.mul_(counts).sum().item()):
        return values
    return values.masked_fill_(counts == 0, 0.0)
