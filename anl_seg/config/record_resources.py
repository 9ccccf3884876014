"""Recording seconds and memory in any loaded config."""

from __future__ import annotations

from mmengine.config import Config

from anl_seg.config._walk import add_hook, type_name


def record_resources(cfg: Config) -> Config:
    """Add ``anl_seg.ResourceHook`` if it is not there yet.

    The config is changed in place and returned.
    """
    if not any(type_name(hook) == "ResourceHook" for hook in cfg.get("custom_hooks") or []):
        add_hook(cfg, {"type": "anl_seg.ResourceHook"})
    return cfg
