"""mmseg's contract for losses of a whole region, whose pixels do not stand alone."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import full_precision
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
        return self.formula(Pixels(logits, target, ignore_index), weight)

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {**super().arguments(px, weight), "weight": weight}

    def per_pixel(self, px: Pixels, weight: Tensor | None) -> Tensor:
        """See :meth:`PixelLoss.per_pixel`."""
        if self._is_replaced("pixel_loss"):
            logits = full_precision(px.given)
            return self.pixel_loss(logits, px.target, px.ignore_index, weight)
        return self.formula(px, weight)
