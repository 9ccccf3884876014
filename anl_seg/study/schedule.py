"""How long a config trains, and whether a validation ends it."""

from __future__ import annotations

from mmengine.config import Config

from anl_seg._checks import check_integer
from anl_seg.config._walk import type_name

#: mmengine's loops, and what ends each.
_LOOPS = {"EpochBasedTrainLoop": "max_epochs", "IterBasedTrainLoop": "max_iters"}


def length_key(cfg: Config) -> str:
    """``max_iters`` or ``max_epochs``: what ends a training.

    Raises:
        ValueError: there is no ``train_cfg``, or it does not have that.
    """
    train = cfg.get("train_cfg") or {}
    loop, given = type_name(train), [key for key in ("max_iters", "max_epochs") if key in train]
    if loop in ("", *_LOOPS) and len(given) > 1:
        raise ValueError(
            "train_cfg has both max_iters and max_epochs; a training ends by one of them."
        )
    if not given:
        raise ValueError("the config has neither train_cfg.max_iters nor train_cfg.max_epochs.")
    key = _LOOPS.get(loop, "max_epochs" if train.get("by_epoch") else given[-1])
    if key not in given:
        raise ValueError(
            f"train_cfg has {given[0]}, but trains by {key.removeprefix('max_')} "
            f"({loop or 'by_epoch=True'}): give {key}."
        )
    return key


def check_length(cfg: Config) -> None:
    """Refuse a config that trains no whole number of steps, or whose training ends without a validation.

    mmengine validates at the end of training whatever the interval, unless that begins later.

    Raises:
        ValueError: see :func:`length_key`; a wrong length, no validation, or one that begins after training
            has ended.
    """
    key = length_key(cfg)
    length = check_integer(f"train_cfg.{key}", cfg.train_cfg[key], low=1)
    if not (cfg.get("val_dataloader") and cfg.get("val_evaluator")):
        raise ValueError("a study compares by validation, and the config has none.")
    begin = cfg.train_cfg.get("val_begin", 1)
    if begin > length:
        raise ValueError(
            f"a study compares by validation, which begins at train_cfg.val_begin={begin}, after training "
            f"has ended ({key}={length})."
        )
