"""Jensen-Shannon loss, of one view or of two (Englesson & Azizpour, NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from anl_seg.functional import generalized_jensen_shannon
from anl_seg.functional._labels import has_no_values
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import full_precision
from anl_seg.functional.generalized_jensen_shannon import view_weights
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class GJSLoss(PixelLoss):
    """Jensen-Shannon divergence of label and predictions, weighted and scaled.

    With ``views=2`` a batch of N images holds N / 2 images twice: image i and image i + N / 2 are two
    views of the same pixels, with the same labels, as :class:`TwoViewSegDataPreProcessor` makes them.
    The loss of a pair stands at the pixel of both images, so the mean over the N images is the
    published mean over the N / 2 pairs, ``sum`` counts each pair twice, and a pair's weight is that of
    its two pixels together.

    That the labels of the halves agree is checked at every call on the CPU, and on other devices,
    where the check makes the host wait, at the first.

    Args:
        pi: weight of the label, in (0, 1); near 0 like cross entropy, near 1 like the mean absolute
            error. Or the weights of the label and of each view, with sum 1.
        scaled: divide by -(1 - pi) log(1 - pi), pi the label's weight.
        views: 1 (JS), or 2 (GJS, which asks the views to agree too).
        kwargs: arguments of :class:`PixelLoss`.

    Raises:
        ValueError: ``pi`` or ``views`` not allowed; at a call with two views, an odd number of images or
            halves with different labels.
    """

    default_name = "loss_gjs"
    function = generalized_jensen_shannon

    def __init__(
        self,
        pi: float | Sequence[float] = 0.5,
        scaled: bool = True,
        views: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if views not in (1, 2) or isinstance(views, bool):
            raise ValueError(f"views must be 1 or 2; got {views!r}.")
        weights = view_weights(pi, views)
        pi = weights[0] if isinstance(pi, (int, float)) else weights
        self.set_parameters(pi=pi, scaled=scaled)
        self.views = views
        self.parameter_names = (*self.parameter_names, "views")
        self._compared = False

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {"pi": self.pi, "scaled": self.scaled}

    def formula(self, px: Pixels, weight: Tensor | None = None) -> Tensor:
        """See :meth:`PixelLoss.formula`."""
        if self.views == 1:
            return super().formula(px, weight)
        if len(px.target) % 2:
            raise ValueError(
                "views=2 pairs image i with image i + N / 2 of the batch, so N must be even; got "
                f"{len(px.target)}. anl_seg.TwoViewSegDataPreProcessor makes such batches."
            )
        first, second = full_precision(px.given).chunk(2)
        labels, labels_again = px.target.chunk(2)
        self._check_same(labels, labels_again)
        half = Pixels(first, labels, px.ignore_index)
        loss = generalized_jensen_shannon.of(half, logits2=second, **self.arguments(px, weight))
        return torch.cat([loss, loss])

    def _check_same(self, labels: Tensor, labels_again: Tensor) -> None:
        if has_no_values(labels) or (labels.device.type != "cpu" and self._compared):
            return
        self._compared = True
        if count := int((labels != labels_again).sum()):
            raise ValueError(
                "views=2 needs the same labels in both halves of the batch, the two views of the same "
                f"pixels; {count} of {labels.numel()} pixels differ. Use "
                "anl_seg.TwoViewSegDataPreProcessor, and no sampling of points (PointRend)."
            )
