"""The weights of ``mass_balance`` over bilinearly resized logits without the resized logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from anl_seg.functional import mass_balance
from anl_seg.functional._pixels import label_to_ignore, valid_mask, with_two_channels
from anl_seg.functional._precision import no_autocast_on
from anl_seg.functional.mass_balance import check_mass_balance, class_factors, with_mean_1
from anl_seg.kernels.functional_form import resize
from anl_seg.kernels.pixel_blocks import zero_ignored
from anl_seg.kernels.upsampled import Blocks, check_inputs, takes_functional_form


class _Probs:
    """Hands the probabilities of each block, 0 where ignored, to ``job(p, images, rows)``."""

    def __init__(self, blocks: Blocks, job: Callable[[Tensor, slice, slice], None]) -> None:
        self.blocks, self.job = blocks, job

    def __call__(self, block: Tensor, images: slice, rows: slice) -> None:
        _, counts = self.blocks.labels(images, rows)
        p = self.blocks.scratch(0, block)
        p.div_(self.blocks.shifted(block, p))
        self.job(zero_ignored(p, counts), images, rows)


@torch.no_grad()
def upsampled_mass_balance(
    logits: Tensor,
    target: Tensor,
    exponent: float = 1.0,
    *,
    align_corners: bool = False,
    ignore_index: int = 255,
) -> Tensor:
    """:func:`anl_seg.functional.mass_balance` of logits bilinearly resized to the labels' size.

    The blocks are resized twice: once for the masses of the classes, once for the weights.

    Args:
        logits: (N, C, h, w), any real; one channel is a binary head.
        target: (N, H, W), integers in [0, C) or ``ignore_index``.
        exponent: in [0, 1].
        align_corners: as in ``F.interpolate``.
        ignore_index: label of pixels that do not count.

    Returns:
        (N, H, W), mean 1 over the valid pixels; float32, or float64 for float64 logits.

    Raises:
        ValueError: ``exponent`` or a label out of range, shapes that do not fit.
    """
    check_mass_balance(exponent)
    check_inputs(logits, target)
    ignore_index = label_to_ignore(ignore_index)
    logits = with_two_channels(logits)
    classes = logits.shape[1]
    with no_autocast_on(logits.device.type):
        if target.numel() and takes_functional_form(logits):
            large = resize(logits, target.shape[1:], align_corners)
            return mass_balance(large, target, exponent, ignore_index)
        blocks = Blocks(logits, target, ignore_index, align_corners, 1)
        masses = [torch.zeros(classes, dtype=blocks.dtype, device=logits.device)]
        weight = torch.zeros(target.shape, dtype=blocks.dtype, device=logits.device)

        def add_mass(p: Tensor, images: slice, rows: slice) -> None:
            masses.append(p.sum((0, 2)))

        blocks.run(_Probs(blocks, add_mass))
        count = valid_mask(target, classes, ignore_index).sum().clamp(min=1)
        factors = class_factors(torch.stack(masses).sum(0), count, exponent).view(1, -1, 1)

        def write_weight(p: Tensor, images: slice, rows: slice) -> None:
            into = weight[images, rows]
            into.copy_(p.mul_(factors).sum(1).view(into.shape))

        blocks.run(_Probs(blocks, write_weight))
    return with_mean_1(weight, count)
