"""Hooks, registered in ``HOOKS`` under the scope ``anl_seg``."""

from __future__ import annotations

from anl_seg.engine.hooks.adaptive_loss_hook import AdaptiveLossHook
from anl_seg.engine.hooks.fused_upsample_hook import FusedUpsampleHook
from anl_seg.engine.hooks.label_check_hook import LabelCheckHook
from anl_seg.engine.hooks.loss_diagnostics_hook import LossDiagnosticsHook
from anl_seg.engine.hooks.loss_schedule_hook import LossScheduleHook
from anl_seg.engine.hooks.memorization_hook import MemorizationHook
from anl_seg.engine.hooks.noise_statistics_hook import NoiseStatisticsHook
from anl_seg.engine.hooks.random_state_hook import RandomStateHook
from anl_seg.engine.hooks.resource_hook import ResourceHook
from anl_seg.engine.hooks.stop_on_divergence_hook import StopOnDivergenceHook

__all__ = [
    "AdaptiveLossHook",
    "FusedUpsampleHook",
    "LabelCheckHook",
    "LossDiagnosticsHook",
    "LossScheduleHook",
    "MemorizationHook",
    "NoiseStatisticsHook",
    "RandomStateHook",
    "ResourceHook",
    "StopOnDivergenceHook",
]
