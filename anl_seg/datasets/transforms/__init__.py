"""Transforms: loaders of the data sets here, mask corruption, and what carries the clean mask along."""

from anl_seg.datasets.transforms.cached_transforms import CachedTransforms
from anl_seg.datasets.transforms.corrupt_mask import CorruptMask
from anl_seg.datasets.transforms.load_annotations_by_value import LoadAnnotationsByValue
from anl_seg.datasets.transforms.load_corrupted_annotations import LoadCorruptedAnnotations
from anl_seg.datasets.transforms.load_isic2017_annotations import LoadISIC2017Annotations
from anl_seg.datasets.transforms.load_jsrt_annotations import LoadJSRTAnnotations
from anl_seg.datasets.transforms.load_synthetic_shapes import LoadSyntheticShapes
from anl_seg.datasets.transforms.pack_noisy_seg_inputs import PackNoisySegInputs
from anl_seg.datasets.transforms.pad import Pad
from anl_seg.datasets.transforms.resized_as_original import ResizedAsOriginal

__all__ = [
    "CachedTransforms",
    "CorruptMask",
    "LoadAnnotationsByValue",
    "LoadCorruptedAnnotations",
    "LoadISIC2017Annotations",
    "LoadJSRTAnnotations",
    "LoadSyntheticShapes",
    "PackNoisySegInputs",
    "Pad",
    "ResizedAsOriginal",
]
