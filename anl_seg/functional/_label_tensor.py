"""What labels of a wrong shape look like, for the error that refuses them."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._labels import has_no_values

#: Channels of a color picture: RGB, or RGB and opacity.
_COLORS = frozenset((3, 4))


def what_it_looks_like(target: Tensor, logits: Tensor, expected: tuple[int | str, ...]) -> str:
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
