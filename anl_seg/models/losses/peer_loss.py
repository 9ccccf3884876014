"""Peer loss (Liu & Guo, ICML 2020), over the pixels of a batch."""

from __future__ import annotations

from typing import Any

from anl_seg.functional.peer_loss import peer_loss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class PeerLoss(PixelLoss):
    """Cross entropy minus alpha times cross entropy with the label of a random valid pixel.

    Values may be negative. ``weight`` and ``class_weight`` are those of the pixel whose prediction
    it is; labels are drawn from all valid pixels of the batch on this rank, whatever their weight.
    ``loss.alpha`` may be set while training (the usual schedule raises it from 0).

    Args:
        alpha: weight of the peer term, 0 or more; 0 is cross entropy.
        pairing: ``random`` (from torch's global generator, which mmengine seeds), or ``expected``,
            the mean over all labels of the batch.
        min_prob: lower clamp of the probabilities in the peer term, in (0, 1).
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_peer"
    function = peer_loss

    def __init__(
        self,
        alpha: float = 1.0,
        pairing: str = "random",
        min_prob: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(alpha=alpha, pairing=pairing, min_prob=min_prob)
