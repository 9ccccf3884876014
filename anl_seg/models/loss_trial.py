"""What a loss itself refuses for a number of classes, found without a model."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn

from anl_seg._random_state import random_state_kept


def try_loss(loss: nn.Module, channels: int) -> None:
    """Call a loss with a few pixels of a head with ``channels`` output channels; the random state is kept.

    Raises:
        ValueError: the loss's own, for parameters that do not fit the number of classes.
    """
    tensors = chain(loss.parameters(), loss.buffers())
    device = next((tensor.device for tensor in tensors), torch.device("cpu"))
    labels = torch.arange(max(channels, 2), device=device).repeat(2, 1)
    logits = torch.zeros(2, channels, labels.shape[1], dtype=torch.float32, device=device)
    with torch.no_grad(), random_state_kept():
        loss(logits, labels)
