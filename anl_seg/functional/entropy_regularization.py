"""Entropy regularization (Ye et al., arXiv 2412.02373): the batch's mean prediction against a prior."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_min_prob
from anl_seg.functional._precision import without_autocast


@without_autocast
def entropy_regularization(
    logits: Tensor,
    target: Tensor,
    *,
    class_prior: Tensor | None = None,
    min_prob: float = 1e-7,
    sync: bool = False,
    ignore_index: int = 255,
    mass: Tensor | None = None,
) -> Tensor:
    """KL divergence of the mean prediction m over the batch's valid pixels to a class prior.

    ``sum_k m_k (log m_k - log prior_k)``; with the uniform prior this is log C minus the entropy of
    m, the term of the paper. It keeps a robust loss from giving up a class; with imbalanced classes
    the prior should be the data's own class frequencies.

    Probabilities, and m itself, are clamped to [min_prob, 1 - min_prob] as in the authors' code, so
    the logarithm stays finite; a clamped class passes no gradient.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``; used only to find the valid pixels.
        class_prior: (C,), positive, summing to 1; None is uniform.
        min_prob: clamp, in (0, 1) and below 1 / C.
        sync: average the prediction over all ranks of the default process group (its gradient is
            carried through), so that m is that of the whole batch.
        ignore_index: label of pixels that do not count.
        mass: (C,), the sum over the valid pixels of the clamped probabilities, where it is known already.

    Returns:
        Scalar, 0 or more up to the clamp; 0, attached to the graph, when no pixel is valid.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a prior of the wrong length.
    """
    if mass is None:
        px = Pixels(logits, target, ignore_index)
        px.check_labels()
        mass = px.mass(min_prob)
    return entropy_of(mass, max(logits.shape[1], 2), class_prior, min_prob, sync)


def entropy_of(
    mass: Tensor, num_classes: int, class_prior: Tensor | None, min_prob: float, sync: bool
) -> Tensor:
    """:func:`entropy_regularization` from the mass of each class, (C,)."""
    check_min_prob(min_prob, num_classes)
    if class_prior is not None and tuple(class_prior.shape) != (num_classes,):
        raise ValueError(
            f"class_prior must have {num_classes} entries, one per class; "
            f"got shape {tuple(class_prior.shape)}."
        )
    if sync and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        from torch.distributed.nn.functional import all_reduce

        mass = all_reduce(mass)
    total = mass.sum()
    any_valid = total != 0  # a NaN counts as valid, and passes
    mean = (mass / torch.where(any_valid, total, 1.0)).clamp(min=min_prob, max=1.0 - min_prob)
    if class_prior is None:
        log_prior = -torch.log(mean.new_tensor(float(num_classes)))
    else:
        # The clamp of m can make it sum to slightly more than 1; the cross term is taken of the
        # renormalised m so that a uniform prior gives exactly log C.
        log_prior = (mean * class_prior.to(mean).log()).sum() / mean.sum()
    return torch.where(any_valid, (mean * mean.log()).sum() - log_prior, 0.0)
