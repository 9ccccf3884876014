"""Reading and rewriting mmseg configs."""

from anl_seg.config.anl_schedule import add_anl_schedule
from anl_seg.config.edits import cache_samples, enable_amp, record_noise, record_resources
from anl_seg.config.inject_noise import inject_noise, noisy_evaluation, noisy_pipelines
from anl_seg.config.load import load_config, mmseg_config
from anl_seg.config.measured import measure_memorization, measured_dataloader
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
