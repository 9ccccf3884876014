"""Which labels the masks of a config have: from its heads, held against its data sets."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from anl_seg._checks import check_integer
from anl_seg.config._walk import heads, pipelines, resolved, type_name
from anl_seg.noise import MaskNoise, build_noise

#: Heads that learn boundaries as a task of their own beside the classes.
_OTHER_TASK = ("STDCHead",)
#: Side of the mask that a noise is tried on.
_TRIAL_SIDE = 8


def values_of_heads(cfg: Config, key: str) -> dict[str, Any]:
    """What the heads of a model give for ``key``, by the name of the head; those without are left out."""
    found: dict[str, Any] = {}
    for name, outer in heads(cfg.get("model") or {}):
        for head in (outer, outer.get("kernel_generate_head") or {}):  # K-Net has it in there
            if head.get(key) is not None and type_name(head) not in _OTHER_TASK:
                found.setdefault(name, head[key])
    return found


def from_heads(cfg: Config, key: str, default: int | None) -> int:
    """What the decode heads of the model give for ``key``, else an auxiliary one, else the default.

    An auxiliary head that differs is warned of: it may learn something else.

    Raises:
        ValueError: decode heads that differ, a head with one class, or no head that gives one where there
            is no default.
    """
    found = values_of_heads(cfg, key)
    if not found:
        if default is None:
            raise ValueError(
                f"the config's heads name no {key}; pass it: inject_noise(cfg, noise, {key}=...)."
            )
        return default
    (first, value), *others = found.items()
    for name, other in others:
        if other == value:
            continue
        text = f"{first} has {key}={value!r} and {name} {key}={other!r}"
        if name.startswith("decode_head"):
            raise ValueError(f"which is right? {text}: heads of one cascade see the same labels.")
        print_log(
            f"{text}; the labels are taken to be those of {first}.", "current", logging.WARNING
        )
    if key == "num_classes" and value == 1:
        raise ValueError(
            f"{first} has num_classes=1, but the masks of a head with one channel have two labels, 0 and 1. "
            f"Write num_classes=2 and out_channels=1 in {first}, as mmseg's binary heads have it, or give "
            "num_classes=2."
        )
    return value


def classes_of(dataset: Mapping) -> int | None:
    """How many classes a data set has, from its config or its class; None where neither says."""
    kind = resolved(dataset, DATASETS)
    for metainfo in (dataset.get("metainfo"), getattr(kind, "METAINFO", None)):
        classes = (metainfo or {}).get("classes")
        if isinstance(classes, (list, tuple)) and classes:
            return len(classes)
    return None


def _check_classes(num_classes: int, said: str | None, dataset: Mapping) -> None:
    """Refuse, or where ``said`` is None warn of, more classes than the data sets in a config of one have."""
    for owner in pipelines(dataset):
        known = classes_of(owner)
        if known is None or not isinstance(num_classes, int) or num_classes <= known:
            continue
        text = (
            f"{said or 'what is given'} has num_classes={num_classes}, but {type_name(owner)} has {known} "
            "classes"
        )
        if said is not None:
            raise ValueError(
                f"{text}: which is right? Noise would be drawn over classes that do not exist. Change one of "
                "them (metainfo.classes are those of the data set), or give num_classes."
            )
        print_log(f"{text}; noise is drawn over all {num_classes}.", "current", logging.WARNING)


def _check_ignore_index(ignore_index: object, num_classes: int, said: str) -> None:
    """Refuse an ignored label that is one of the classes 0 to ``num_classes - 1``, or no integer.

    Raises:
        ValueError: named with ``said``, who says so.
    """
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
        raise ValueError(f"{said} has ignore_index={ignore_index!r}; it must be one integer.")
    if isinstance(num_classes, int) and 0 <= ignore_index < num_classes:
        raise ValueError(
            f"{said} has ignore_index={ignore_index}, which is one of its classes 0 to "
            f"{num_classes - 1}: noise would turn labeled pixels into ignored ones and back. Take a "
            "label outside of them, such as 255."
        )


def label_range(
    cfg: Config,
    dataset: Mapping,
    num_classes: int | None = None,
    ignore_index: int | None = None,
) -> tuple[int, int]:
    """(C, ignored label) of the masks of a data set, checked as far as a config tells.

    Args:
        cfg: the config whose heads say what is not given.
        dataset: config of the data set.
        num_classes: C; None = that of the heads. One that is given wins over the data set, with a warning.
        ignore_index: None = that of the heads, else 255.

    Raises:
        ValueError: the heads differ, or have one class; the data set has fewer classes; or the ignored
            label is one of the classes.
    """
    said = None
    if num_classes is None:
        num_classes = from_heads(cfg, "num_classes", None)
        said = next(iter(values_of_heads(cfg, "num_classes")))
    _check_classes(num_classes, said, dataset)
    said = "what is given"
    if ignore_index is None:
        ignore_index = from_heads(cfg, "ignore_index", 255)
        said = next(iter(values_of_heads(cfg, "ignore_index")), "the model")
    _check_ignore_index(ignore_index, num_classes, said)
    return num_classes, ignore_index


def try_noise(noise: MaskNoise, num_classes: int, ignore_index: int) -> None:
    """Run a noise of this package, and those in it, over a small mask of ``num_classes`` classes.

    Raises:
        ValueError: the noise's own, for parameters that do not fit the number of classes.
    """
    for part in getattr(noise, "noises", None) or []:
        if part is not None:
            try_noise(part, num_classes, ignore_index)
    if not type(noise).__module__.startswith("anl_seg."):
        return  # it may need masks of another kind
    side = _TRIAL_SIDE
    labels = np.arange(side * side).reshape(side, side) * num_classes // (side * side)
    rng = np.random.RandomState(0)
    image = rng.randint(0, 256, (side, side, 3)).astype(np.uint8)
    noise(labels, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)


def check_corruption(cfg: Config, dataset: Mapping, step: Mapping) -> None:
    """Refuse a ``CorruptMask`` in a config whose noise or classes fit neither data set nor model.

    Args:
        cfg: the config, for its heads.
        dataset: config of the data set.
        step: config of the transform.

    Raises:
        FileNotFoundError, KeyError, TypeError, ValueError: what is wrong with it.
    """
    if "noise" not in step:
        return
    noise, num_classes = build_noise(step["noise"]), step.get("num_classes")
    check_integer("seed of CorruptMask", step.get("seed", 0), low=0)
    check_integer("key_parts of CorruptMask", step.get("key_parts", 2), low=1)
    ignore_index, said = step.get("ignore_index", 255), f"CorruptMask of {type_name(dataset)}"
    if not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(
            f"{said} has num_classes={num_classes!r}; it must be an integer of 2 or more."
        )
    _check_classes(num_classes, said, dataset)
    _check_ignore_index(ignore_index, num_classes, said)
    for name, known in values_of_heads(cfg, "num_classes").items():
        if (
            name.startswith("decode_head")
            and isinstance(known, int)
            and num_classes > max(known, 2)
        ):
            raise ValueError(
                f"{said} has num_classes={num_classes}, and {name} num_classes={known}: which is right? "
                "Noise would be drawn over classes that the model does not have."
            )
    try_noise(noise, num_classes, ignore_index)
