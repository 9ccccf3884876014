"""Losses for mmseg's ``loss_decode``, one module per loss; see docs/losses.md."""

from anl_seg.models.losses.active_negative_loss import ActiveNegativeLoss, ANLCELoss, ANLFLLoss
from anl_seg.models.losses.active_passive_loss import ActivePassiveLoss
from anl_seg.models.losses.cross_entropy import CELoss
from anl_seg.models.losses.focal_loss import FocalLoss
from anl_seg.models.losses.generalized_cross_entropy import GCELoss
from anl_seg.models.losses.mean_absolute_error import MAELoss
from anl_seg.models.losses.normalized_cross_entropy import NCELoss
from anl_seg.models.losses.normalized_focal_loss import NFLLoss
from anl_seg.models.losses.normalized_negative_cross_entropy import NNCELoss
from anl_seg.models.losses.normalized_negative_focal_loss import NNFLLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.reverse_cross_entropy import RCELoss
from anl_seg.models.losses.symmetric_cross_entropy import SCELoss

__all__ = [
    "ANLCELoss",
    "ANLFLLoss",
    "ActiveNegativeLoss",
    "ActivePassiveLoss",
    "CELoss",
    "FocalLoss",
    "GCELoss",
    "MAELoss",
    "NCELoss",
    "NFLLoss",
    "NNCELoss",
    "NNFLLoss",
    "PixelLoss",
    "RCELoss",
    "SCELoss",
]
