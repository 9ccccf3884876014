"""Loss configs: checked before a model is built."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

from mmseg.registry import MODELS
from torch import nn

from anl_seg.config._walk import heads, type_name
from anl_seg.engine.loss_trial import try_loss
from anl_seg.models.losses import AdaptiveLoss, PixelLoss
from anl_seg.models.losses._arguments import check_arguments

#: Heads that classify masks, not pixels: mmdet's, with their class loss in ``loss_cls``.
MASK_HEADS = ("MaskFormerHead", "Mask2FormerHead")


def qualified_loss(loss: Mapping) -> dict:
    """The loss config with a resolvable type; building it checks name and parameters.

    Raises:
        KeyError: unknown loss; the closest names are given.
        TypeError: a parameter that the loss does not know, or that is missing or of the wrong kind.
        ValueError: no type, that of something else than a loss, or a value that the loss refuses.
    """
    loss = dict(copy.deepcopy(loss))
    if "type" not in loss:
        raise ValueError(f"a loss config needs a 'type'; got {loss}.")
    if isinstance(loss["type"], str) and "." not in loss["type"]:
        loss["type"] = f"anl_seg.{loss['type']}"
    built_loss(loss)
    return loss


def built_loss(loss: Mapping) -> nn.Module:
    """The loss of a config, with errors that name what the config says; see :func:`qualified_loss`."""
    arguments = dict(loss)
    kind = arguments.pop("type")
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    if cls is None:
        raise KeyError(f"no loss {kind!r}.")
    if not (isinstance(cls, type) and hasattr(cls, "loss_name")):
        raise ValueError(f"{kind} is no loss.")
    if issubclass(cls, (PixelLoss, AdaptiveLoss)):
        check_arguments(cls, arguments)
    return cls(**arguments)


def channels_of(head: Mapping) -> int | None:
    """Number of output channels of a head; None where its config does not say."""
    # Elsewhere "out_channels" may be the width of an inner layer.
    channels = 1 if head.get("out_channels") == 1 else head.get("num_classes")
    if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
        return None
    return channels + (type_name(head) in MASK_HEADS)  # "no object" is a class of these


def loss_heads(model: Mapping) -> Iterator[tuple[str, dict]]:
    """The heads of a model, and in place of one that has its losses in an inner head (K-Net), that."""
    for name, head in heads(model):
        inner = head.get("kernel_generate_head")
        if inner is None:
            yield name, head
        else:
            yield f"{name}.kernel_generate_head", inner


def check_loss(loss: Mapping, name: str, head: Mapping) -> None:
    """Refuse a loss of this package that does not fit the number of classes of its head.

    Args:
        loss: config of the loss.
        name: what errors call the head.
        head: config of the head.

    Raises:
        KeyError, TypeError, ValueError: see :func:`qualified_loss`, and the loss's own errors for a list
            with another number of entries than classes, and the like.
    """
    built, channels = built_loss(loss), channels_of(head)
    if channels is None or not isinstance(built, (PixelLoss, AdaptiveLoss)):
        return
    try:
        try_loss(built, channels)
    except ValueError as error:
        raise ValueError(f"{type_name(loss)} in {name} with {channels} channels: {error}") from None
