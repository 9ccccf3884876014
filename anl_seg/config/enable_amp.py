"""Turning on automatic mixed precision in a loaded config."""

from __future__ import annotations

from mmengine.config import Config

from anl_seg.config._walk import type_name

_AMP_OF = {
    "OptimWrapper": "AmpOptimWrapper",
    "L1OptimWrapper": "anl_seg.L1AmpOptimWrapper",
}


def enable_amp(cfg: Config) -> Config:
    """Exchange the optimizer wrapper for its mixed-precision twin, with dynamic loss scaling.

    The config is changed in place; one that trains in mixed precision already stays as it is.

    Raises:
        ValueError: a wrapper without a known twin.
    """
    name = type_name(cfg.optim_wrapper) or "OptimWrapper"  # mmengine's default
    if name in ("AmpOptimWrapper", "L1AmpOptimWrapper"):
        return cfg
    if name not in _AMP_OF:
        raise ValueError(f"no mixed precision for {name}; known: {', '.join(_AMP_OF)}.")
    cfg.optim_wrapper["type"] = _AMP_OF[name]
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    return cfg
