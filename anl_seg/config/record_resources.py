"""Recording seconds and memory in any loaded config."""

from __future__ import annotations

from mmengine.config import Config

from anl_seg.config.hooks import add_hooks, has_hook
from anl_seg.engine.hooks import ResourceHook


def record_resources(cfg: Config) -> Config:
    """Add ``anl_seg.ResourceHook`` if it is not there yet.

    The config is changed in place and returned.
    """
    if not has_hook(cfg, ResourceHook):
        add_hooks(cfg, {"type": "anl_seg.ResourceHook"})
    return cfg
