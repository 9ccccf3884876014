"""Jensen-Shannon and generalised Jensen-Shannon losses (Englesson & Azizpour, NeurIPS 2021)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import Pixels

#: Lower clamp inside the logarithms in the published code, for log 0. The gradient is zero through a
#: logarithm that it holds; the factor in front, below 1e-7 there, keeps its own.
PROB_CLAMP = 1e-7


def check_pi(pi: float) -> None:
    """Raise ValueError unless 0 < pi < 1."""
    if not 0.0 < pi < 1.0:
        raise ValueError(f"pi must lie in (0, 1); got {pi}.")


def generalized_jensen_shannon(
    logits: Tensor,
    target: Tensor,
    *,
    pi: float = 0.5,
    scaled: bool = True,
    logits2: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """``sum_i pi_i KL(d_i || m) / Z`` per pixel: d_1 the one-hot label, the others the predictions, m =
    sum_i pi_i d_i.

    With one view this is the Jensen-Shannon loss (JS), between cross entropy (pi -> 0) and the mean
    absolute error (pi -> 1), both up to a factor if not ``scaled``. With a second view of the same
    pixels (GJS) the predictions share 1 - pi equally, and the loss also asks them to agree.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        pi: weight of the label, in (0, 1); the larger, the more tolerant and the slower to learn.
        scaled: divide by Z = -(1 - pi) log(1 - pi); False is Z = 1.
        logits2: logits of a second view, of the shape of ``logits`` and in place with it pixel by pixel.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 where ignored; scaled with one view 0 to H(pi) / Z, H the entropy of (pi, 1 - pi);
        float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or pi outside (0, 1).
    """
    check_pi(pi)
    views = [Pixels(logits, target, ignore_index)]
    if logits2 is not None:
        if logits2.shape != logits.shape:
            raise ValueError(
                f"logits2 must have the shape of logits, {tuple(logits.shape)}; "
                f"got {tuple(logits2.shape)}."
            )
        views.append(Pixels(logits2, target, ignore_index))
    px, share = views[0], (1.0 - pi) / len(views)
    log_p = [view.log_probs() for view in views]
    probs = [values.exp() for values in log_p]
    mixed = share * sum(probs)  # m without the label's share
    log_mixed = mixed.clamp(min=PROB_CLAMP).log()
    log_label = (px.of_label(mixed) + pi).clamp(min=PROB_CLAMP).log()  # log m_y
    loss = -pi * log_label
    for p, values in zip(probs, log_p):
        log_view = values.clamp(min=math.log(PROB_CLAMP))
        others = px.without_label(p * (log_view - log_mixed)).sum(dim=1)
        own = px.of_label(p) * (px.of_label(log_view) - log_label)
        loss = loss + share * (others + own)
    if scaled:
        loss = loss / -((1.0 - pi) * math.log1p(-pi))
    return px.masked(loss)
