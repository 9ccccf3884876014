"""Losses of a config and their schedules, checked before a model is built."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from anl_seg._suggest import unknown_name
from anl_seg.config._walk import heads, resolved, type_name
from anl_seg.config.hooks import SCHEDULE, built_hook, check_hooks, hooks_of, is_hook
from anl_seg.models.loss_trial import try_loss
from anl_seg.models.losses import AdaptiveLoss, PixelLoss
from anl_seg.models.losses._arguments import check_arguments
from anl_seg.registry import MODELS as OURS

#: Heads that classify masks, not pixels: mmdet's, with their class loss in ``loss_cls``.
MASK_HEADS = ("MaskFormerHead", "Mask2FormerHead")
#: Heads that classify "no object" too.
_NO_OBJECT = (*MASK_HEADS, "SideAdapterCLIPHead")


def _scoped(kind: object) -> object:
    """The type of a loss; one without a scope is one of this package."""
    return f"anl_seg.{kind}" if isinstance(kind, str) and "." not in kind else kind


def _known_losses(theirs: bool) -> list[str]:
    """Names of the losses of this package, and with a scope of those that mmseg knows."""
    OURS.import_from_location()
    ours = [name for name, cls in OURS.module_dict.items() if hasattr(cls, "loss_name")]
    if not theirs:
        return ours
    MODELS.import_from_location()
    names = [name for name, cls in MODELS.module_dict.items() if hasattr(cls, "loss_name")]
    return [*ours, *(f"{MODELS.scope}.{name}" for name in names)]


def loss_class(kind: str | type) -> type:
    """The class of a loss.

    Args:
        kind: the ``type`` of a loss config; one without a scope is one of this package.

    Raises:
        KeyError: unknown loss; the closest names are given.
        ValueError: something else than a loss.
    """
    cls = resolved({"type": _scoped(kind)}, MODELS)
    if cls is None and isinstance(kind, str):
        known = _known_losses(theirs=not kind.startswith(f"{OURS.scope}."))
        raise KeyError(unknown_name("loss", kind.removeprefix(f"{OURS.scope}."), known))
    if cls is None or not hasattr(cls, "loss_name"):
        raise ValueError(f"{kind} is no loss.")
    return cls


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
    loss["type"] = _scoped(loss["type"])
    built_loss(loss)
    return loss


def built_loss(loss: Mapping) -> nn.Module:
    """The loss of a config, with errors that name what the config says; see :func:`qualified_loss`."""
    arguments = dict(loss)
    cls = loss_class(arguments.pop("type"))
    check_arguments(cls, arguments)
    return cls(**arguments)


def channels_of(head: Mapping) -> int | None:
    """Number of output channels of a head; None where its config does not say."""
    # Elsewhere "out_channels" may be the width of an inner layer.
    channels = 1 if head.get("out_channels") == 1 else head.get("num_classes")
    if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
        return None
    return channels + (type_name(head) in _NO_OBJECT)  # a class of its own


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


def our_losses(model: Any, path: str = "", head: Mapping | None = None) -> Iterator[tuple]:
    """(path, config, config of the head around it) of the losses of this package in a model's config."""
    if isinstance(model, (list, tuple)):
        for i, item in enumerate(model):
            yield from our_losses(item, f"{path}.{i}", head)
    elif isinstance(model, Mapping):
        kind = resolved(model, MODELS) if ".loss" in path else None
        if kind is not None and issubclass(kind, (PixelLoss, AdaptiveLoss)):
            yield path.lstrip("."), model, head or {}
            return
        around = model if "num_classes" in model else head
        for key, value in model.items():
            yield from our_losses(value, f"{path}.{key}", around)


class _Owner(nn.Module):
    """A part of a model that holds losses, such as a head, of which only the channels count."""

    out_channels: int | None = None

    def inner(self, key: str) -> _Owner:
        """The part of this name in it, which is made if it is not there."""
        found = dict(self.named_children()).get(key)
        if not isinstance(found, _Owner):
            found = _Owner()
            self.add_module(key, found)
        return found


def _skeleton(model: Mapping) -> nn.Module:
    """A module that holds nothing of a model but its losses, at their paths."""
    root = _Owner()
    for path, loss, head in our_losses(model):
        *owners, name = path.split(".")
        owner = root
        for key in owners:
            owner = owner.inner(key)
        owner.add_module(name, built_loss(loss))
        owner.out_channels = channels_of(head)
    return root


def check_losses(cfg: Config) -> None:
    """Refuse losses of this package that their heads do not allow, and schedules that they do not have.

    Raises:
        KeyError, TypeError, ValueError: what is wrong, and where.
    """
    model = cfg.get("model") or {}
    for path, loss, head in our_losses(model):
        check_loss(loss, path, head)
    check_hooks(cfg)
    for _, hook in hooks_of(cfg):
        if not is_hook(hook, SCHEDULE):
            continue
        schedule = built_hook(hook)
        if schedule.by_epoch and "max_epochs" not in (cfg.get("train_cfg") or {}):
            raise ValueError(
                "LossScheduleHook counts epochs (by_epoch=True), and the config trains by iterations."
            )
        try:
            schedule.targets(_skeleton(model))
        except ValueError as error:
            hint = ""
            if any(entry.parameter == "ce_share" for entry in schedule.entries):
                hint = (
                    ". ce_share is a parameter of ANLCELoss and the other active negative losses: "
                    "--anl-schedule and _base_/anl_schedule.py go with these, and with any other loss as the "
                    "loss of WarmStartLoss"
                )
            raise ValueError(f"{str(error).rstrip('.')}{hint}.") from None
