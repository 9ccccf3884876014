"""Peer loss (Liu & Guo, ICML 2020), over the pixels of a batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import INSIDE_0_1, Allowed, one_of, per_pixel
from anl_seg.functional._pixels import Pixels

PAIRINGS = ("random", "expected")


_FINITE = Allowed("be a finite number, 0 or more", lambda value: 0.0 <= value < math.inf)


@per_pixel(alpha=_FINITE, pairing=one_of(PAIRINGS), min_prob=INSIDE_0_1)
def peer_loss(
    px: Pixels,
    *,
    alpha: float = 1.0,
    pairing: str = "random",
    min_prob: float = 1e-7,
    generator: torch.Generator | None = None,
) -> Tensor:
    """``l_y - alpha l_y'`` per pixel, y' the label of a random valid pixel of the batch.

    l_k = -log p_k. The second term punishes agreement with labels that have nothing to do with the
    pixel, so guessing the frequent class does not pay. No noise rate is
    needed. The paper draws the peer's prediction and its label separately. Here each pixel gives its
    own prediction to the second term and only the label is drawn (with replacement, by its frequency
    among the batch's valid pixels): the same mean, and less variance.

    The second term has a negative sign and l_k no bound, so there l_k = -log max(p_k, min_prob):
    the loss is at least alpha log(min_prob), and a class below the clamp passes no gradient through
    it. (Published code adds 1e-5 or 1e-8 inside the logarithm for the same end.)

    Args:
        alpha: weight of the peer term, 0 or more; 0 is cross entropy. The larger, the more tolerant.
        pairing: ``random``, or ``expected``: the mean over all labels of the batch,
            sum_k share(k) l_k, without a draw.
        min_prob: lower clamp of the probabilities in the peer term, in (0, 1).
        generator: source of the draws, on the device of the labels; None is torch's own.
    """
    log_p, labels = px.log_probs(), px.labels
    counts = torch.zeros(px.num_classes, dtype=torch.long, device=labels.device)
    counts = counts.scatter_add(0, labels.flatten(), px.valid.long().flatten())
    log_min = math.log(min_prob)
    if pairing == "expected":
        share = counts.to(log_p.dtype) / counts.sum().clamp(min=1)
        shape = (1, -1, *[1] * (log_p.dim() - 2))
        peer = (share.view(shape) * log_p.clamp(min=log_min)).sum(dim=1)
    else:
        # A batch without valid pixels has nothing to draw from; its draws count nowhere.
        chances = torch.where(counts.sum() > 0, counts, 1).float()
        drawn = torch.multinomial(chances, max(labels.numel(), 1), True, generator=generator)
        drawn = drawn[: labels.numel()].view_as(labels)
        peer = log_p.gather(1, drawn.unsqueeze(1)).squeeze(1).clamp(min=log_min)
    return alpha * peer - px.of_label(log_p)
