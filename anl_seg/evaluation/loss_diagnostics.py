"""What a loss does to each class on one batch: how hard it pulls, and whether it still can."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anl_seg.functional._class_sums import class_sums
from anl_seg.functional._pixels import flip_point, full_logits, valid_mask
from anl_seg.functional._precision import full_precision


def flat_below(loss: nn.Module, num_classes: int) -> float | None:
    """The largest ``min_prob`` of a loss and its parts: below it NNCE and its like are flat; or None."""
    found = []
    for part in loss.modules():
        min_prob = getattr(part, "min_prob", None)
        if isinstance(min_prob, float):
            relative = getattr(part, "relative_min_prob", None)
            found.append(flip_point(min_prob, relative, num_classes))
    return max(found, default=None)


def loss_diagnostics(
    loss: nn.Module,
    logits: Tensor,
    labels: Tensor,
    *,
    groups: Tensor | None = None,
    ignore_index: int = 255,
) -> dict:
    """Gradient, probability and logits by class, for one call of a loss with reduction ``mean``.

    Everything of a class is over the valid pixels of that class in ``groups``: the labels that the loss
    sees, or clean ones, which tell what happens to the objects themselves.

    Args:
        loss: called as in mmseg, ``loss(logits, labels, ignore_index=...)``; its graph is made anew here.
        logits: (N, C, *), any real; detached here.
        labels: (N, *), integers in [0, C) or ``ignore_index``.
        groups: (N, *), the class that each pixel is counted under; None = ``labels``.
        ignore_index: label of pixels that do not count, in ``groups`` too.

    Returns:
        ``logit_scale``: mean norm of a pixel's logits less their mean. Per class, a list of C with None
        where the class has no pixel: ``pixels``, their share; ``gradient``, their share of the sum over
        pixels of the L1 norm of dloss / dlogits; ``pull``, the mean of -dloss / dlogit of the group's class
        times the number of valid pixels, positive where the loss asks for more of that class;
        ``prob``, the mean probability of the group's class; ``flat``, the share whose probability of it
        is below the loss's ``min_prob`` (None without one); ``mass``, the mean probability of the class
        over all valid pixels.
    """
    groups = labels if groups is None else groups
    # In half precision most of a mean's gradient would be 0.
    z = full_precision(logits.detach()).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(z, labels, ignore_index=ignore_index), z)
    z = full_logits(z.detach())
    num_classes = z.shape[1]
    if gradient.shape[1] == 1:  # one channel z is [0, z]
        gradient = torch.cat([-gradient, gradient], dim=1)
    valid = valid_mask(labels, num_classes, ignore_index) & valid_mask(
        groups, num_classes, ignore_index
    )
    index = torch.where(valid, groups, 0).long()
    probs = z.softmax(dim=1)
    own = probs.gather(1, index.unsqueeze(1)).squeeze(1)[valid]
    pull = -gradient.gather(1, index.unsqueeze(1)).squeeze(1)[valid]
    size = gradient.abs().sum(dim=1)[valid]
    index, total = index[valid], valid.sum().clamp(min=1)

    def per_class(values: Tensor) -> Tensor:
        return class_sums(values.unsqueeze(0), index.unsqueeze(0), num_classes)[0]

    count = per_class(torch.ones_like(own))
    known = (count > 0).tolist()

    def listed(values: Tensor) -> list[float | None]:
        return [v if k else None for v, k in zip(values.tolist(), known)]

    threshold = flat_below(loss, num_classes)
    flat: list[float | None] = [None] * num_classes
    if threshold is not None:
        flat = listed(per_class((own < threshold).to(own.dtype)) / count)
    centred = (z - z.mean(dim=1, keepdim=True)).norm(dim=1)[valid]
    mass = torch.where(valid.unsqueeze(1), probs, 0.0).transpose(0, 1).flatten(1).sum(dim=1) / total
    return {
        "logit_scale": float(centred.sum() / total),
        "pixels": (count / total).tolist(),
        "gradient": listed(per_class(size) / size.sum().clamp(min=torch.finfo(size.dtype).tiny)),
        "pull": listed(per_class(pull) / count * total),
        "prob": listed(per_class(own) / count),
        "flat": flat,
        "mass": mass.tolist(),
    }
