# Validation and the checkpoint's `state_dict` use a running average of the weights over about 50 iterations:
# what single batches of wrong labels do to the weights averages out.
custom_hooks = [
    dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.02, update_buffers=True)
]
