"""The row of a (C, C) table that belongs to each pixel's label."""

from __future__ import annotations

import torch
from torch import Tensor


def check_square(name: str, table: Tensor, num_classes: int) -> None:
    """Raise ValueError unless ``table`` is (C, C) for the C classes of the logits."""
    if tuple(table.shape) != (num_classes, num_classes):
        raise ValueError(
            f"{name} must have shape ({num_classes}, {num_classes}), one row and column per class "
            f"of the model; got {tuple(table.shape)}."
        )


def label_rows(table: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """``table[label]`` with the columns in the place of the classes: (N, *) -> (N, C, *).

    Pixels that do not count get row 0.

    Args:
        table: (C, C).
        target: labels (N, *), integers.
        valid: (N, *), True where the label lies in [0, C) and counts.
    """
    return table[torch.where(valid, target, 0).long()].movedim(-1, 1)
