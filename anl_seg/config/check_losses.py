"""Losses and their schedules in a config, checked before a model is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from anl_seg.config._walk import resolved
from anl_seg.config.hooks import built_hook, check_hooks, hooks_of, is_hook
from anl_seg.config.loss_config import built_loss, channels_of, check_loss
from anl_seg.engine.hooks import LossScheduleHook
from anl_seg.models.losses import AdaptiveLoss, PixelLoss


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


def _skeleton(model: Mapping) -> nn.Module:
    """A module that holds nothing of a model but its losses, at their paths."""
    root = nn.Module()
    for path, loss, head in our_losses(model):
        *owners, name = path.split(".")
        owner = root
        for key in owners:
            if key not in dict(owner.named_children()):
                owner.add_module(key, nn.Module())
            owner = owner.get_submodule(key)
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
        if not is_hook(hook, LossScheduleHook):
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
                    "--anl-schedule and _base_/anl_schedule.py go with these"
                )
            raise ValueError(f"{str(error).rstrip('.')}{hint}.") from None
