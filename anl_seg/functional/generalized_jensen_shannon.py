"""Jensen-Shannon and generalised Jensen-Shannon losses (Englesson & Azizpour, NeurIPS 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast

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


@without_autocast
def generalized_jensen_shannon(
    logits: Tensor,
    target: Tensor,
    *,
    pi: float | Sequence[float] = 0.5,
    scaled: bool = True,
    logits2: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """``sum_i pi_i KL(d_i || m) / Z`` per pixel: d_1 the one-hot label, the others the predictions, m =
    sum_i pi_i d_i.

    With one view this is the Jensen-Shannon loss (JS), between cross entropy (pi -> 0) and the mean
    absolute error (pi -> 1), both up to a factor if not ``scaled``. With a second view of the same
    pixels (GJS) the loss also asks the predictions to agree.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        pi: weight of the label, in (0, 1), which the views share the rest of; the larger, the more
            tolerant and the slower to learn. Or the weights of label and views, for two views three
            positive numbers of sum 1, as published.
        scaled: divide by Z = -(1 - pi_1) log(1 - pi_1), pi_1 that of the label; False is Z = 1.
        logits2: logits of a second view, of the shape of ``logits`` and in place with it pixel by pixel.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 where ignored; scaled with one view 0 to H(pi) / Z, H the entropy of (pi, 1 - pi);
        float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a wrong ``pi``.
    """
    of_label, *of_view = view_weights(pi, 1 if logits2 is None else 2)
    views = [Pixels(logits, target, ignore_index)]
    if logits2 is not None:
        if logits2.shape != logits.shape:
            raise ValueError(
                f"logits2 must have the shape of logits, {tuple(logits.shape)}; "
                f"got {tuple(logits2.shape)}."
            )
        views.append(Pixels(logits2, target, ignore_index))
    px = views[0]
    log_p = [view.log_probs() for view in views]
    probs = [values.exp() for values in log_p]
    mixed = sum(share * p for share, p in zip(of_view, probs))  # m without the label's share
    log_mixed = mixed.clamp(min=PROB_CLAMP).log()
    log_label = (px.of_label(mixed) + of_label).clamp(min=PROB_CLAMP).log()  # log m_y
    loss = -of_label * log_label
    for share, p, values in zip(of_view, probs, log_p):
        log_view = values.clamp(min=math.log(PROB_CLAMP))
        others = px.without_label(p * (log_view - log_mixed)).sum(dim=1)
        own = px.of_label(p) * (px.of_label(log_view) - log_label)
        loss = loss + share * (others + own)
    if scaled:
        loss = loss / -((1.0 - of_label) * math.log1p(-of_label))
    return px.masked(loss)
