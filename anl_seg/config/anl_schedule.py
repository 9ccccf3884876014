"""What ANLCELoss() is recommended with, for any config."""

from __future__ import annotations

import copy

from mmengine.config import Config

from anl_seg.config.hooks import add_hooks

#: Cross entropy and Dice that fade out between a fifth and four fifths of training, so that every class has
#: started when the loss takes over, and a running average of the weights over about 50 iterations.
ANL_SCHEDULE = (
    dict(
        type="anl_seg.LossScheduleHook",
        relative=True,
        schedule=[
            dict(parameter="ce_share", at={0: 1.0, 0.2: 1.0, 0.8: 0.0}, interpolate="linear")
        ],
    ),
    dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.02, update_buffers=True),
)


def add_anl_schedule(cfg: Config) -> Config:
    """Active negative losses that follow on cross entropy and Dice which fade, and averaged weights.

    The config is changed in place; one that has these hooks stays as it is. Training itself says if the
    model has no loss with ``ce_share``.

    Args:
        cfg: a loaded config.

    Returns:
        ``cfg``.

    Raises:
        ValueError: the config has another average of the weights, or another schedule of ``ce_share``.
    """
    add_hooks(cfg, *copy.deepcopy(ANL_SCHEDULE))
    return cfg
