"""Blocks of pixels, and their labels, checked while they are in the cache."""

from __future__ import annotations

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


def block_labels(
    target: Tensor, num_classes: int, ignore_index: int
) -> tuple[Tensor, Tensor | None]:
    """Labels to gather by, and which of them count.

    Args:
        target: int64, any shape, on the CPU.
        num_classes: C.
        ignore_index: label of pixels that do not count.

    Returns:
        Labels in [0, C), 0 where ignored; bool, or None where all count.

    Raises:
        ValueError: a label that is neither in [0, C) nor ``ignore_index``.
    """
    if target.numel() == 0:
        return target, None
    valid = target != ignore_index
    index = target
    if valid.all():
        valid = None
    else:
        index = torch.where(valid, target, 0)
    low, high = index.aminmax()
    if low < 0 or high >= num_classes:
        check_labels(target, num_classes, ignore_index)
    return index, valid


def where_valid(valid: Tensor | None, values: Tensor) -> Tensor:
    """``values`` with a zero where a pixel does not count."""
    return values if valid is None else torch.where(valid, values, 0.0)
