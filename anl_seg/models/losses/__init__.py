"""Losses for mmseg's ``loss_decode``, one module per loss; see docs/losses.md."""

from anl_seg.models.losses.active_negative_loss import ActiveNegativeLoss, ANLCELoss, ANLFLLoss
from anl_seg.models.losses.active_passive_loss import ActivePassiveLoss
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from anl_seg.models.losses.asymmetric_exponential_loss import AELLoss
from anl_seg.models.losses.asymmetric_generalized_cross_entropy import AGCELoss
from anl_seg.models.losses.asymmetric_norm_loss import ANormLoss
from anl_seg.models.losses.asymmetric_unhinged_loss import AUELoss
from anl_seg.models.losses.backward_correction import BackwardCorrectionLoss
from anl_seg.models.losses.bootstrap_loss import BootstrapLoss
from anl_seg.models.losses.cross_entropy import CELoss
from anl_seg.models.losses.focal_loss import FocalLoss
from anl_seg.models.losses.forward_correction import ForwardCorrectionLoss
from anl_seg.models.losses.generalized_cross_entropy import GCELoss
from anl_seg.models.losses.generalized_jensen_shannon import GJSLoss
from anl_seg.models.losses.label_smoothing_cross_entropy import LabelSmoothingCELoss
from anl_seg.models.losses.mean_absolute_error import MAELoss
from anl_seg.models.losses.negative_learning import NLNLLoss
from anl_seg.models.losses.noise_robust_dice import NoiseRobustDiceLoss
from anl_seg.models.losses.normalized_cross_entropy import NCELoss
from anl_seg.models.losses.normalized_focal_loss import NFLLoss
from anl_seg.models.losses.normalized_generalized_cross_entropy import NGCELoss
from anl_seg.models.losses.normalized_loss import NormalizedLoss
from anl_seg.models.losses.normalized_negative_cross_entropy import NNCELoss
from anl_seg.models.losses.normalized_negative_focal_loss import NNFLLoss
from anl_seg.models.losses.normalized_negative_loss import NormalizedNegativeLoss
from anl_seg.models.losses.normalized_reverse_cross_entropy import NRCELoss
from anl_seg.models.losses.peer_loss import PeerLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.region_loss import RegionLoss
from anl_seg.models.losses.reverse_cross_entropy import RCELoss
from anl_seg.models.losses.symmetric_cross_entropy import SCELoss
from anl_seg.models.losses.t_loss import MulticlassTLoss, TLoss

__all__ = [
    "AELLoss",
    "AGCELoss",
    "ANLCELoss",
    "ANLFLLoss",
    "ANormLoss",
    "AUELoss",
    "ActiveNegativeLoss",
    "ActivePassiveLoss",
    "AdaptiveLoss",
    "BackwardCorrectionLoss",
    "BootstrapLoss",
    "CELoss",
    "FocalLoss",
    "ForwardCorrectionLoss",
    "GCELoss",
    "GJSLoss",
    "LabelSmoothingCELoss",
    "MAELoss",
    "MulticlassTLoss",
    "NCELoss",
    "NFLLoss",
    "NGCELoss",
    "NLNLLoss",
    "NNCELoss",
    "NNFLLoss",
    "NRCELoss",
    "NoiseRobustDiceLoss",
    "NormalizedLoss",
    "NormalizedNegativeLoss",
    "PeerLoss",
    "PixelLoss",
    "RCELoss",
    "RegionLoss",
    "SCELoss",
    "TLoss",
]
