"""anl_seg: training MMSegmentation models under wrong masks.

``anl_seg.functional`` (losses in plain torch) and ``anl_seg.noise`` (mask noise in plain numpy) need no
MMSegmentation. Everything else is loaded on first use and says so when no family is installed.
"""

from __future__ import annotations

import warnings
from importlib import import_module

from anl_seg._family import MISSING_FAMILY, MissingFamilyWarning, has_mmseg, require_mmseg
from anl_seg.version import __version__

#: Public names that need an MMSegmentation family, and the module that holds each.
_LAZY = {
    "mmseg_config": "anl_seg.config",
    "inject_noise": "anl_seg.config",
    "replace_losses": "anl_seg.config",
}

__all__ = ["__version__", *_LAZY]

if not has_mmseg():
    warnings.warn(MISSING_FAMILY, MissingFamilyWarning, stacklevel=2)


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'anl_seg' has no attribute {name!r}")
    require_mmseg()
    return getattr(import_module(_LAZY[name]), name)
