"""Replacing the segmentation losses of a loaded config."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log
from mmseg.registry import MODELS

from anl_seg.config._walk import as_list, resolved, type_name
from anl_seg.config.loss_config import (
    MASK_HEADS,
    check_loss,
    loss_class,
    loss_heads,
    qualified_loss,
)
from anl_seg.models.losses import AdaptiveLoss, NoiseRobustDiceLoss, PixelLoss

#: mmseg's losses that classify each pixel on its own.
_PIXEL_LOSSES = ("CrossEntropyLoss", "OhemCrossEntropy", "FocalLoss")
#: Losses of ours around another one, and where they have it.
_WRAPPERS = {"AdaptiveLoss": "base", "WarmStartLoss": "loss"}
#: mmseg's losses over regions: replaced where they stand alone, kept beside a pixel loss.
_REGION_LOSSES = ("DiceLoss", "LovaszLoss", "TverskyLoss")
#: mmseg's sampler of the pixels that a head has most wrong.
_SAMPLER = "OHEMPixelSampler"


def _is_binary(head: Mapping) -> bool:
    return head.get("out_channels") == 1 and head.get("num_classes", 2) == 2


def _replaceable(old: Mapping, head: Mapping, alone: bool) -> bool:
    name = type_name(old)
    if name in _REGION_LOSSES:
        return alone
    if name in _PIXEL_LOSSES:
        # A sigmoid per channel alone is one-against-the-rest over the classes (Fast-SCNN). Beside
        # others it is another task (boundaries, masks), save in a binary head.
        return alone or not old.get("use_sigmoid") or _is_binary(head)
    cls = resolved(old, MODELS)
    return cls is not None and issubclass(cls, (PixelLoss, AdaptiveLoss))


def _inner(loss: Mapping) -> dict | None:
    """The config of the loss around which another of ours is wrapped, or None."""
    return loss.get(_WRAPPERS.get(type_name(loss), ""))


def _settings(loss: Mapping) -> Mapping:
    """The settings of a loss config; those of a wrapper may stand in its inner loss."""
    inner = _inner(loss)
    return loss if inner is None else {**_settings(inner), **loss}


def _set(loss: dict, name: str, value: object) -> None:
    """Set a setting where a loss config has it."""
    inner = _inner(loss)
    if inner is not None and name in _settings(inner):
        _set(inner, name, value)
    else:
        loss[name] = value


def _hands_on_weights(old: Mapping, loss: Mapping) -> bool:
    return _settings(old).get("class_weight") is not None and "class_weight" not in _settings(loss)


def _weights_pixels(old: Mapping) -> bool:
    """Whether the ``class_weight`` of a loss weights pixels by their label, as that of ours does."""
    if type_name(old) == "CrossEntropyLoss":
        return not (old.get("use_sigmoid") or old.get("use_mask"))
    if type_name(old) == "OhemCrossEntropy":
        return True
    kind = resolved(old, MODELS)
    if kind is None or not issubclass(kind, (PixelLoss, AdaptiveLoss)):
        return False
    while (inner := _inner(old)) is not None:
        old, kind = inner, loss_class(inner["type"])
    return not issubclass(kind, NoiseRobustDiceLoss)


def _replaced(old: Mapping, loss: Mapping) -> dict:
    new = copy.deepcopy(dict(loss))
    settings = _settings(old)
    weight = settings.get("loss_weight", 1.0) * _settings(loss).get("loss_weight", 1.0)
    _set(new, "loss_weight", weight)
    if _hands_on_weights(old, loss) and _weights_pixels(old):
        _set(new, "class_weight", settings["class_weight"])
    # Side-Adapter heads know their class loss by this name.
    if old.get("loss_name") == "loss_cls_ce":
        _set(new, "loss_name", old["loss_name"])
    return new


def _left_behind(old: Mapping, loss: Mapping, name: str, head: Mapping) -> Iterator[str]:
    """What of a replaced loss has no place in the new one, in words."""
    kind, settings = f"{type_name(old)} in {name}", _settings(old)
    if _hands_on_weights(old, loss) and not _weights_pixels(old):
        yield (
            f"class_weight of {kind}, which does not weight pixels by their label (with a sigmoid it is the "
            "weight of the positive pixels of each channel)"
        )
    reduction = settings.get("reduction", "mean")
    if reduction != _settings(loss).get("reduction", "mean"):
        yield f"reduction={reduction!r} of {kind}"
    for key in ("ignore_index", "ignore_label"):
        ignored = settings.get(key, head.get("ignore_index", 255))
        if ignored != head.get("ignore_index", 255):
            yield f"{key}={ignored} of {kind}: the ignore_index of the head counts"


def _default_loss(head: Mapping) -> object:
    """The ``loss_decode`` that the class of a head takes where its config names none, or None."""
    kind = head.get("type")
    if isinstance(kind, str):
        # Those of a package that is not installed have no class to ask.
        kind = MODELS.get(kind) if "." not in kind or kind.startswith("mmseg.") else None
    for cls in getattr(kind, "__mro__", ()):
        parameter = inspect.signature(cls.__init__).parameters.get("loss_decode")
        if parameter is not None:
            default = parameter.default
            return None if default is inspect.Parameter.empty else copy.deepcopy(default)
    return None


def _losses(name: str, head: Mapping) -> tuple[str, object]:
    """Under which key a head has its losses, and what stands there (None = nothing to replace)."""
    if type_name(head) not in MASK_HEADS:
        old = head.get("loss_decode")
        return "loss_decode", _default_loss(head) if old is None else old
    if find_spec("mmdet") is None:
        raise ValueError(
            f"no loss to replace: {name}: {type_name(head)} classifies masks, not pixels, by mmdet's "
            "losses, and mmdet is not installed; with it, its 'loss_cls' is replaced."
        )
    return "loss_cls", head.get("loss_cls")


class _Change(NamedTuple):
    """What becomes of the losses of a head.

    Attributes:
        name: of the head.
        head: its config.
        key: under which the losses stand.
        new: what is to stand there.
        replaced: those of the losses that make way for others.
        kept: those that stay.
    """

    name: str
    head: dict
    key: str
    new: Any
    replaced: list[Mapping]
    kept: list[Mapping]


def _changes(model: Mapping, loss: Mapping) -> Iterator[_Change]:
    """What a loss changes in the heads of a model, each new one tried with the number of its classes."""
    for name, head in loss_heads(model):
        key, old = _losses(name, head)
        entries = as_list(old)
        new, replaced, kept = [], [], []
        for entry in entries:
            if _replaceable(entry, head, alone=len(entries) == 1):
                new.append(_replaced(entry, loss))
                check_loss(new[-1], name, head)
                replaced.append(entry)
            else:
                new.append(entry)
                kept.append(entry)
        many = isinstance(old, (list, tuple)) or not new
        yield _Change(name, head, key, new if many else new[0], replaced, kept)


def _warn_of_rest(changes: Sequence[_Change], loss: Mapping) -> None:
    """Say once what of the replaced losses the new ones do not have."""
    left = [
        text
        for change in changes
        for old in change.replaced
        for text in _left_behind(old, loss, change.name, change.head)
    ]
    if left:
        print_log(
            f"replace_losses: not taken over: {'; '.join(left)}. Give the new loss what it should have.",
            logger="current",
            level=logging.WARNING,
        )


def _warn_of_ohem(changes: Sequence[_Change]) -> None:
    """Say once what mining of hard pixels means under label noise."""
    chosen = [c.name for c in changes if type_name(c.head.get("sampler") or {}) == _SAMPLER]
    dropped = [c.name for c in changes if "OhemCrossEntropy" in map(type_name, c.replaced)]
    if chosen:
        print_log(
            f"replace_losses: the OHEM sampler of {', '.join(chosen)} stays: it trains on the pixels that "
            "fit the prediction least, and under label noise these are the noisiest; a robust loss cannot "
            "pass over pixels that are all it sees. Set sampler=None to train on all pixels.",
            logger="current",
            level=logging.WARNING,
        )
    if dropped:
        print_log(
            f"replace_losses: OhemCrossEntropy in {', '.join(dropped)} mined hard pixels; what stands in its "
            "place takes all valid pixels.",
            logger="current",
        )


def replace_losses(cfg: Config, loss: Mapping) -> Config:
    """Replace the segmentation losses of all decode and auxiliary heads.

    Every loss that classifies pixels (cross entropy, OHEM cross entropy, focal, those of this
    package) becomes ``loss``, with the head's own ``loss_weight`` (times that of ``loss``) and, where the
    old one weighted pixels by their label, its class weights. What else the old one had and the new one
    has no place for is warned of. A head that names no loss has that of its class, and K-Net's
    are those of its inner head. Losses of other kinds stay: boundary losses, and beside a pixel loss
    region losses (Dice, Lovasz, Tversky) and sigmoid losses over several channels; where one of the
    last two stands alone it is the segmentation loss and is replaced. Of MaskFormer and Mask2Former the
    class loss of their masks is replaced, which needs mmdet. What was replaced and kept is logged, with
    a warning where an OHEM sampler picks the pixels. The config is changed in place, and only once
    everything has been found to be right.

    Args:
        cfg: a loaded mmseg config.
        loss: loss config; a type without a scope is one of ``anl_seg``.

    Returns:
        ``cfg``.

    Raises:
        KeyError: unknown loss; the closest names are given.
        TypeError: a parameter that the loss does not know, or of the wrong kind.
        ValueError: no loss to replace, for example in heads that do not use ``loss_decode``; or one that
            does not fit the number of classes of a head.
    """
    loss = qualified_loss(loss)
    changes = list(_changes(cfg.get("model") or {}, loss))
    kept = [f"{type_name(old)} in {change.name}" for change in changes for old in change.kept]
    changed = [change for change in changes if change.replaced]
    if not changed:
        found = [f"{name}: {type_name(head)}" for name, head in loss_heads(cfg.get("model") or {})]
        raise ValueError(
            "no loss to replace: no head has a pixel loss in 'loss_decode' "
            f"({', '.join(found + kept) or 'the model has no heads'})."
        )
    for change in changed:
        change.head[change.key] = change.new
    print_log(
        f"replace_losses: {loss['type']} in {', '.join(change.name for change in changed)}"
        + (f"; kept {', '.join(kept)}" if kept else ""),
        logger="current",
    )
    _warn_of_ohem(changed)
    _warn_of_rest(changed, loss)
    return cfg
