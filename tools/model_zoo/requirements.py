"""What a model needs that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from anl_seg.config.loss_config import MASK_HEADS

#: Heads that call compiled operations of mmcv; without them mmseg fails in different ways and places.
OPS_HEADS = ("CCHead", "PSAHead", "PointHead", "SideAdapterCLIPHead")


@cache
def has_ops() -> bool:
    """Whether mmcv comes with its compiled operations."""
    try:
        import_module("mmcv.ops")
    except ImportError:
        return False
    return True


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for inner in value.values():
            yield from _types(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _types(inner)


def missing_requirement(model: dict) -> str | None:
    """Why a model cannot be tried here at all, or None.

    Args:
        model: a model config.
    """
    kinds = set(_types(model))
    names = {kind.rpartition(".")[2] for kind in kinds}
    if model.get("type") == "DepthEstimator":
        return "loss not built from loss_decode of classes: it regresses depth"
    for head in MASK_HEADS:
        if head in names and find_spec("mmdet") is None:
            return f"needs another package: mmdet ({head} classifies masks by mmdet's losses)"
    scopes = {kind.partition(".")[0] for kind in kinds if "." in kind} - {
        "mmseg",
        "mmcv",
        "mmengine",
    }
    for scope in sorted(scopes):
        if find_spec(scope) is None:
            return f"needs another package: {scope}"
    needing = sorted(names.intersection(OPS_HEADS))
    if needing and not has_ops():
        return f"needs compiled ops: {needing[0]} calls mmcv.ops, which this mmcv lacks"
    return None
