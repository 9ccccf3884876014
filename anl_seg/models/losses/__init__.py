"""Losses for mmseg's ``loss_decode``, one module per loss; see docs/losses.md."""

from anl_seg.models.losses import simple_losses
from anl_seg.models.losses.active_negative_loss import ActiveNegativeLoss, ANLCELoss, ANLFLLoss
from anl_seg.models.losses.active_passive_loss import ActivePassiveLoss
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from anl_seg.models.losses.backward_correction import BackwardCorrectionLoss
from anl_seg.models.losses.forward_correction import ForwardCorrectionLoss
from anl_seg.models.losses.generalized_jensen_shannon import GJSLoss
from anl_seg.models.losses.negative_learning import NLNLLoss
from anl_seg.models.losses.noise_robust_dice import NoiseRobustDiceLoss
from anl_seg.models.losses.normalized_losses import NormalizedLoss, NormalizedNegativeLoss
from anl_seg.models.losses.peer_loss import PeerLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.region_loss import RegionLoss
from anl_seg.models.losses.simple_losses import *  # noqa: F403
from anl_seg.models.losses.t_loss import MulticlassTLoss, TLoss
from anl_seg.models.losses.warm_start_loss import WarmStartLoss

__all__ = [
    "ANLCELoss",
    "ANLFLLoss",
    "ActiveNegativeLoss",
    "ActivePassiveLoss",
    "AdaptiveLoss",
    "BackwardCorrectionLoss",
    "ForwardCorrectionLoss",
    "GJSLoss",
    "MulticlassTLoss",
    "NLNLLoss",
    "NoiseRobustDiceLoss",
    "NormalizedLoss",
    "NormalizedNegativeLoss",
    "PeerLoss",
    "PixelLoss",
    "RegionLoss",
    "TLoss",
    "WarmStartLoss",
]
__all__ += simple_losses.__all__
