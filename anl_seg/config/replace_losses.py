"""Replacing the segmentation losses of a loaded config."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.logging import print_log
from mmseg.registry import MODELS

from anl_seg.config._walk import as_list, heads, type_name
from anl_seg.models.losses import PixelLoss

#: mmseg's losses that classify each pixel on its own.
_PIXEL_LOSSES = ("CrossEntropyLoss", "OhemCrossEntropy", "FocalLoss")
#: mmseg's losses over regions: replaced where they stand alone, kept beside a pixel loss.
_REGION_LOSSES = ("DiceLoss", "LovaszLoss", "TverskyLoss")


def _qualified(loss: Mapping) -> dict:
    """The loss config with a resolvable type; building it checks name and parameters."""
    loss = dict(copy.deepcopy(loss))
    if "type" not in loss:
        raise ValueError(f"a loss config needs a 'type'; got {loss}.")
    if isinstance(loss["type"], str) and "." not in loss["type"]:
        loss["type"] = f"anl_seg.{loss['type']}"
    MODELS.build(dict(loss))
    return loss


def _is_binary(head: Mapping) -> bool:
    return head.get("out_channels") == 1 and head.get("num_classes", 2) == 2


def _replaceable(old: Mapping, head: Mapping, alone: bool) -> bool:
    name = type_name(old)
    if name in _REGION_LOSSES:
        return alone
    if name in _PIXEL_LOSSES:
        # A sigmoid per channel is another task (boundaries, several labels), save in a binary head.
        return not old.get("use_sigmoid") or _is_binary(head)
    kind = old.get("type")
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(cls, type) and issubclass(cls, PixelLoss)


def _replaced(old: Mapping, loss: Mapping) -> dict:
    new = copy.deepcopy(dict(loss))
    new["loss_weight"] = old.get("loss_weight", 1.0) * loss.get("loss_weight", 1.0)
    if old.get("class_weight") is not None:
        new.setdefault("class_weight", old["class_weight"])
    return new


def replace_losses(cfg: Config, loss: Mapping) -> Config:
    """Replace the segmentation losses of all decode and auxiliary heads.

    Every loss that classifies pixels (cross entropy, OHEM cross entropy, focal, those of this
    package) becomes ``loss``, with the head's own ``loss_weight`` (times that of ``loss``) and, where the
    old one had them, its class weights. Losses of other kinds stay: boundary losses, sigmoid losses
    over several channels, and region losses (Dice, Lovasz, Tversky) beside a pixel loss; a region
    loss that stands alone is replaced. What was replaced and kept is logged. The config is changed
    in place, and only once everything has been found to be right.

    Args:
        cfg: a loaded mmseg config.
        loss: loss config; a type without a scope is one of ``anl_seg``.

    Returns:
        ``cfg``.

    Raises:
        KeyError: unknown loss; the closest names are given.
        ValueError: no loss to replace, for example in heads that do not use ``loss_decode``.
    """
    loss = _qualified(loss)
    plan, kept = [], []
    for name, head in heads(cfg.get("model", {})):
        old = head.get("loss_decode")
        if old is None:
            continue
        many = isinstance(old, (list, tuple))
        new = []
        for entry in as_list(old):
            if _replaceable(entry, head, alone=len(as_list(old)) == 1):
                new.append(_replaced(entry, loss))
            else:
                new.append(entry)
                kept.append(f"{type_name(entry)} in {name}")
        if any(a is not b for a, b in zip(new, as_list(old))):
            plan.append((name, head, new if many else new[0]))
    if not plan:
        found = [f"{name}: {type_name(head)}" for name, head in heads(cfg.get("model", {}))]
        raise ValueError(
            "no loss to replace: no head has a pixel loss in 'loss_decode' "
            f"({', '.join(found + kept) or 'the model has no heads'})."
        )
    for _, head, new in plan:
        head["loss_decode"] = new
    print_log(
        f"replace_losses: {loss['type']} in {', '.join(name for name, _, _ in plan)}"
        + (f"; kept {', '.join(kept)}" if kept else ""),
        logger="current",
    )
    return cfg
