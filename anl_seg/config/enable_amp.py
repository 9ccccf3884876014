"""Turning on automatic mixed precision in a loaded config."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, ApexOptimWrapper
from mmseg.registry import OPTIM_WRAPPERS

from anl_seg.config._walk import resolved, type_name

_AMP_OF = {
    "OptimWrapper": "AmpOptimWrapper",
    "L1OptimWrapper": "anl_seg.L1AmpOptimWrapper",
}


def enable_amp(cfg: Config) -> Config:
    """Exchange the optimizer wrapper for its mixed-precision twin, with dynamic loss scaling.

    The config is changed in place; one that trains in mixed precision already stays as it is.

    Raises:
        ValueError: no wrapper, or one without a known twin.
    """
    wrapper = cfg.get("optim_wrapper")
    if wrapper is None:
        raise ValueError("the config has no optim_wrapper to train in mixed precision with.")
    kind = resolved(wrapper, OPTIM_WRAPPERS)
    if kind is not None and issubclass(kind, (AmpOptimWrapper, ApexOptimWrapper)):
        return cfg
    name = type_name(wrapper) or "OptimWrapper"  # mmengine's default
    if name not in _AMP_OF:
        raise ValueError(f"no mixed precision for {name}; known: {', '.join(_AMP_OF)}.")
    wrapper["type"] = _AMP_OF[name]
    wrapper.setdefault("loss_scale", "dynamic")
    return cfg
