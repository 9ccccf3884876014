"""Reading and rewriting mmseg configs."""

from anl_seg.config.anl_schedule import add_anl_schedule
from anl_seg.config.cache_samples import cache_samples
from anl_seg.config.enable_amp import enable_amp
from anl_seg.config.inject_noise import (
    inject_noise,
    noisy_evaluation,
    noisy_pipelines,
    record_noise,
)
from anl_seg.config.measure_memorization import measure_memorization
from anl_seg.config.measured_dataloader import measured_dataloader
from anl_seg.config.mmseg_config import load_config, mmseg_config
from anl_seg.config.record_resources import record_resources
from anl_seg.config.replace_losses import replace_losses
from anl_seg.config.spec import parse_spec

__all__ = [
    "add_anl_schedule",
    "cache_samples",
    "enable_amp",
    "inject_noise",
    "load_config",
    "measure_memorization",
    "measured_dataloader",
    "mmseg_config",
    "noisy_evaluation",
    "noisy_pipelines",
    "parse_spec",
    "record_noise",
    "record_resources",
    "replace_losses",
]
