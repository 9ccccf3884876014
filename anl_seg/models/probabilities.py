"""Class probabilities from what mmseg calls the logits of an image."""

from __future__ import annotations

import torch


def class_probabilities(seg_logits: torch.Tensor, num_classes: int) -> torch.Tensor:
    """(C, H, W) probabilities of an image from its ``seg_logits``.

    mmseg's segmentors put there raw logits, the sigmoid where a binary head has one channel, and
    test-time augmentation the mean of probabilities: where every pixel's channels are not negative
    and sum to 1 they are taken as they are, otherwise their softmax is.

    Args:
        seg_logits: (C, H, W) floats, or (1, H, W) in [0, 1] where ``num_classes`` is 2.
        num_classes: C.

    Raises:
        ValueError: no floats, one channel that is no probability, or another number of channels.
    """
    logits = seg_logits.detach()
    if not logits.is_floating_point():
        raise ValueError(f"seg_logits must be floats, got {logits.dtype}")
    logits = logits.float()
    if len(logits) == 1 and num_classes == 2:
        # mmseg has already taken the sigmoid of a binary head's only channel.
        if not ((logits >= 0) & (logits <= 1)).all():
            raise ValueError(
                "seg_logits of one channel must be the probability of class 1, as mmseg's segmentors "
                f"return it; got values from {logits.min():g} to {logits.max():g}"
            )
        return torch.cat([1 - logits, logits])
    if len(logits) != num_classes:
        raise ValueError(f"the model predicts {len(logits)} classes, the dataset has {num_classes}")
    # Test-time augmentation returns means of probabilities; at no logits do all pixels sum to 1.
    done = (logits >= 0).all() and (logits.sum(dim=0) - 1).abs().max() < 1e-3
    return logits if done else logits.softmax(dim=0)
