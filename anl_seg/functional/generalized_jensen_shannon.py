"""Jensen-Shannon and generalized Jensen-Shannon losses (Englesson & Azizpour, NeurIPS 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels

#: Lower clamp inside the logarithms in the published code, for log 0. The gradient is zero through a
#: logarithm that it holds; the factor in front, below 1e-7 there, keeps its own.
PROB_CLAMP = 1e-7


def view_weights(pi: float | Sequence[float], views: int = 1) -> tuple[float, ...]:
    """Weights of the label and of each view's prediction, with sum 1.

    Args:
        pi: the label's weight, in (0, 1), the views sharing the rest; or all the weights, label first.
        views: number of views.

    Raises:
        ValueError: pi outside (0, 1), or weights that are not ``views + 1`` positive numbers of sum 1.
    """
    if isinstance(pi, (int, float)):
        if not 0.0 < pi < 1.0:
            raise ValueError(f"pi must lie in (0, 1); got {pi}.")
        return (float(pi), *[(1.0 - pi) / views] * views)
    weights = tuple(map(float, pi)) if isinstance(pi, Sequence) and not isinstance(pi, str) else ()
    if (
        len(weights) != views + 1
        or not all(w > 0.0 for w in weights)
        or not abs(sum(weights) - 1.0) < 1e-6
    ):
        raise ValueError(
            f"pi must be one number in (0, 1), or {views + 1} positive numbers that sum to 1: the "
            f"label's weight and that of each view; got {pi!r}."
        )
    return weights


@per_pixel()
def generalized_jensen_shannon(
    px: Pixels,
    *,
    pi: float | Sequence[float] = 0.5,
    scaled: bool = True,
    logits2: Tensor | None = None,
) -> Tensor:
    """``sum_i pi_i KL(d_i || m) / Z`` per pixel: d_1 the one-hot label, the others the predictions, m =
    sum_i pi_i d_i.

    With one view this is the Jensen-Shannon loss (JS), between cross entropy (pi -> 0) and the mean
    absolute error (pi -> 1), both up to a factor if not ``scaled``. With a second view of the same
    pixels (GJS) the loss also asks the predictions to agree.

    Args:
        pi: weight of the label, in (0, 1), which the views share the rest of; the larger, the more
            tolerant and the slower to learn. Or the weights of label and views, for two views three
            positive numbers of sum 1, as published.
        scaled: divide by Z = -(1 - pi_1) log(1 - pi_1), pi_1 that of the label; False is Z = 1. With one
            view the loss then lies in [0, H(pi) / Z], H the entropy of (pi, 1 - pi).
        logits2: logits of a second view, of the shape of ``logits`` and in place with it pixel by pixel.
    """
    of_label, *of_view = view_weights(pi, 1 if logits2 is None else 2)
    views = [px]
    if logits2 is not None:
        if logits2.shape != px.given.shape:
            raise ValueError(
                f"logits2 must have the shape of logits, {tuple(px.given.shape)}; "
                f"got {tuple(logits2.shape)}."
            )
        views.append(Pixels(logits2, px.target, px.ignore_index))
    log_p = [view.log_probs() for view in views]
    probs = [values.exp() for values in log_p]
    first, *others = (share * p for share, p in zip(of_view, probs))
    mixed = sum(others, first)  # m without the label's share
    log_mixed = mixed.clamp(min=PROB_CLAMP).log()
    log_label = (px.of_label(mixed) + of_label).clamp(min=PROB_CLAMP).log()  # log m_y
    loss = -of_label * log_label
    for share, p, values in zip(of_view, probs, log_p):
        log_view = values.clamp(min=math.log(PROB_CLAMP))
        of_others = px.without_label(p * (log_view - log_mixed)).sum(dim=1)
        own = px.of_label(p) * (px.of_label(log_view) - log_label)
        loss = loss + share * (of_others + own)
    if scaled:
        loss = loss / -((1.0 - of_label) * math.log1p(-of_label))
    return loss
