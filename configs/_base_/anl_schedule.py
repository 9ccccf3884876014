# What ANLCELoss() is recommended with: cross entropy and Dice that fade out between a fifth and four fifths
# of training, so that every class has started when ANL takes over, and a running average of the weights
# over about 50 iterations.
custom_hooks = [
    dict(
        type="anl_seg.LossScheduleHook",
        relative=True,
        schedule=[
            dict(parameter="ce_share", at={0: 1.0, 0.2: 1.0, 0.8: 0.0}, interpolate="linear")
        ],
    ),
    dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.02, update_buffers=True),
]
