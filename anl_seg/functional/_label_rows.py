"""The row of a (C, C) table that belongs to each pixel's label."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels


def check_square(name: str, table: Tensor, num_classes: int) -> None:
    """Raise ValueError unless ``table`` is (C, C) for the C classes of the logits."""
    if tuple(table.shape) != (num_classes, num_classes):
        raise ValueError(
            f"{name} must have shape ({num_classes}, {num_classes}), one row and column per class "
            f"of the model; got {tuple(table.shape)}."
        )


def label_rows(table: Tensor, px: Pixels) -> Tensor:
    """``table[label]`` with the columns in the place of the classes: (C, C) -> (N, C, *).

    Pixels that do not count get row 0.
    """
    return table[px.labels].movedim(-1, 1)
