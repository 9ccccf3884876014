"""Corrupting a whole data set offline: sources of clean masks, PNG files, manifest, verification.

Names are loaded on first use: the transform that loads corrupted masks needs a part of this package, and
other parts need the transforms.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = {
    "MaskSource": "sources",
    "Report": "verify",
    "Sample": "part",
    "config_source": "sources",
    "corrupt_dataset": "run",
    "counts_by_folder": "splits",
    "cpu_count": "workers",
    "folder_source": "sources",
    "folders_text": "splits",
    "held_out_folders": "splits",
    "how_to_load": "advice",
    "noise_of": "run",
    "read_manifest": "manifest_file",
    "source_of": "named_source",
    "verify_manifest": "verify",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'anl_seg.corruption' has no attribute {name!r}")
    return getattr(import_module(f"anl_seg.corruption.{_MODULES[name]}"), name)
