"""Bootstrapping (Reed et al., ICLR 2015 workshop)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import LOWEST_LOG, Pixels
from anl_seg.functional._precision import without_autocast

MODES = ("soft", "hard")


def check_bootstrap(beta: float, mode: str) -> None:
    """Raise ValueError unless 0 <= beta <= 1 and mode is ``soft`` or ``hard``."""
    if not 0.0 <= beta <= 1.0:
        raise ValueError(f"beta must lie in [0, 1]; got {beta}.")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}.")


@without_autocast
def bootstrap_loss(
    logits: Tensor,
    target: Tensor,
    *,
    beta: float = 0.95,
    mode: str = "soft",
    ignore_index: int = 255,
) -> Tensor:
    """``-sum_k (beta [k = y] + (1 - beta) r_k) log p_k`` per pixel; r is the model's own opinion.

    ``soft``: r = p. Nothing is held constant: the paper calls this cross
    entropy with minimum-entropy regularisation, and the gradient of the entropy passes through both
    of its factors. ``hard``: r = 1 at the most probable class, constant in the gradient, as
    an arg max is; classes that tie share it. The published beta are 0.95 (soft) and 0.8 (hard).

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        beta: weight of the label, in [0, 1]; 1 is cross entropy.
        mode: ``soft`` or ``hard``.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, inf), 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_bootstrap(beta, mode)
    px = Pixels(logits, target, ignore_index)
    log_p = px.log_probs()
    finite = log_p.clamp(min=LOWEST_LOG)  # 0 log 0 is 0
    own = -(log_p.exp() * finite).sum(dim=1) if mode == "soft" else -log_p.amax(dim=1)
    return px.masked((1.0 - beta) * own - beta * px.of_label(log_p))
