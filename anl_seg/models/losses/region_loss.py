"""mmseg's contract for losses of a whole region, whose pixels do not stand alone."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional._labels import label_to_ignore
from anl_seg.functional._pixels import check_logits, check_shapes
from anl_seg.functional._precision import full_precision, without_autocast
from anl_seg.models.losses._reduce import check_reduction, reduce_pixel_loss
from anl_seg.models.losses.pixel_loss import PixelLoss


class RegionLoss(PixelLoss):
    """Base of the losses in which the weights of the pixels are part of the formula.

    ``pixel_loss`` takes the weights too and gives each pixel's share of the regions' loss, so that the
    weighted mean of :class:`PixelLoss` is the loss. ``weight`` 2 is that pixel twice and 0 is as if it
    were ignored; OHEM, which asks for the shares (``none``) and then calls with a 0/1 mask, works, but
    what it selects by are shares. Ignored pixels change nothing.

    Args:
        kwargs: arguments of :class:`PixelLoss`.
    """

    def pixel_loss(
        self, logits: Tensor, target: Tensor, ignore_index: int, weight: Tensor | None = None
    ) -> Tensor:
        """Share of each pixel, (N, C, *), (N, *) and weights (N, *) -> (N, *), 0 where ignored."""
        raise NotImplementedError

    @without_autocast
    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = 255,
        **kwargs: Any,
    ) -> Tensor:
        """Loss of a batch; arguments and result as :meth:`PixelLoss.forward`."""
        reduction = check_reduction(reduction_override or self.reduction)
        check_logits(seg_logits)
        ignore_index = label_to_ignore(ignore_index)
        if self.use_sigmoid and seg_logits.shape[1] != 1:
            raise ValueError(
                "use_sigmoid=True needs a head with one output channel; "
                f"the logits have {seg_logits.shape[1]}. Set use_sigmoid=False."
            )
        seg_logits = full_precision(self._clipped(seg_logits))
        check_shapes(seg_logits, seg_label)
        pixel_weight = self._pixel_weight(seg_logits, seg_label, weight, ignore_index)
        pixel_weight = self._balanced(pixel_weight, seg_logits, seg_label, ignore_index)
        share = self.pixel_loss(seg_logits, seg_label, ignore_index, pixel_weight)
        reduced = reduce_pixel_loss(share, pixel_weight, reduction, avg_factor)
        return self.loss_weight * reduced
