"""Bootstrapping (Reed et al., ICLR 2015 workshop)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import SHARE, one_of, per_pixel
from anl_seg.functional._pixels import LOWEST_LOG, Pixels

MODES = ("soft", "hard")


@per_pixel(beta=SHARE, mode=one_of(MODES))
def bootstrap_loss(px: Pixels, *, beta: float = 0.95, mode: str = "soft") -> Tensor:
    """``-sum_k (beta [k = y] + (1 - beta) r_k) log p_k`` per pixel, in [0, inf).

    r is the model's own opinion. ``soft``: r = p. Nothing is held constant: the paper calls this cross
    entropy with minimum-entropy regularization, and the gradient of the entropy passes through both
    of its factors. ``hard``: r = 1 at the most probable class, constant in the gradient, as
    an arg max is; classes that tie share it. The published beta are 0.95 (soft) and 0.8 (hard).

    Args:
        beta: weight of the label, in [0, 1]; 1 is cross entropy.
        mode: ``soft`` or ``hard``.
    """
    log_p = px.log_probs()
    finite = log_p.clamp(min=LOWEST_LOG)  # 0 log 0 is 0
    own = -(log_p.exp() * finite).sum(dim=1) if mode == "soft" else -log_p.amax(dim=1)
    return (1.0 - beta) * own - beta * px.of_label(log_p)
