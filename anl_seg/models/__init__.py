"""Registered modules: losses and the data preprocessor."""

from anl_seg.models import losses  # noqa: F401
from anl_seg.models.noisy_seg_data_preprocessor import NoisySegDataPreProcessor

__all__ = ["NoisySegDataPreProcessor"]
