"""Registered modules: losses and data preprocessors."""

from anl_seg.models import losses  # noqa: F401
from anl_seg.models.noisy_seg_data_preprocessor import NoisySegDataPreProcessor
from anl_seg.models.seg_tta_model import SegTTAModel
from anl_seg.models.two_view_seg_data_preprocessor import TwoViewSegDataPreProcessor

__all__ = ["NoisySegDataPreProcessor", "SegTTAModel", "TwoViewSegDataPreProcessor"]
