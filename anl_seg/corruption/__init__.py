"""Corrupting a whole data set offline: sources of clean masks, PNG files, manifest, verification."""

from anl_seg._processes import cpu_count
from anl_seg.corruption.mask_dataset import Sample
from anl_seg.corruption.named_source import source_of
from anl_seg.corruption.run import corrupt_dataset, noise_of
from anl_seg.corruption.sources import MaskSource, config_source, folder_source
from anl_seg.corruption.splits import counts_by_folder, folders_text, held_out_folders
from anl_seg.corruption.usage_hint import how_to_load
from anl_seg.corruption.verify import Report, verify_manifest
from anl_seg.masks.manifest_file import read_manifest

__all__ = [
    "MaskSource",
    "Report",
    "Sample",
    "config_source",
    "corrupt_dataset",
    "counts_by_folder",
    "cpu_count",
    "folder_source",
    "folders_text",
    "held_out_folders",
    "how_to_load",
    "noise_of",
    "read_manifest",
    "source_of",
    "verify_manifest",
]
